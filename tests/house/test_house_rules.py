"""The rules of the house that no linter knows, over every module of the rooms and the tests."""

import ast
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("actors", "billing_core", "controller", "pc_daemon", "schemas")
FILE_LINES_MAX = 400
PAGE_FILES = frozenset({".js", ".css", ".html"})
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_P90 = 30
POSITIONAL_MAX = 3
EMPTY_NAMES = frozenset({"util", "utils", "helper", "helpers", "manager", "common", "misc"})
UNFINISHED = re.compile(
    r"\b(?:T[O]DO|FIX[M]E|X{3}|Not[I]mplementedError)\b|pytest\.(?:skip|xfail)|mark\.(?:skip|xfail)"
)
PORT_IMPORTERS_MAX = {"ray": 5, "redis": 3, "gmqtt": 1, "prometheus_client": 3, "psutil": 3}
"""Packages behind a port, and how many modules may import each."""

PORT_ROOMS = {"sqlalchemy": "controller/archive/"}
"""Packages that fill a folder: nothing outside it may import them."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """Python files under the folders, by path."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    """The path as a reader of a failure wants it."""
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Shape:
    """A function or method: where it begins, its lines with signature and docstring, and how many
    arguments a caller could give by position, self and cls aside."""

    name: str
    line: int
    length: int
    positional: int

    @classmethod
    def of(cls, function: Function) -> "Shape":
        """Of one that was parsed."""
        assert function.end_lineno is not None
        names = [one.arg for one in function.args.posonlyargs + function.args.args]
        return cls(
            function.name,
            function.lineno,
            function.end_lineno - function.lineno + 1,
            len(names) - (names[:1] in (["self"], ["cls"])),
        )


@dataclass(frozen=True)
class Module:
    """What the rules ask of a module; top-level packages count wherever they are imported."""

    functions: tuple[Shape, ...]
    packages: frozenset[str]


@cache
def module_of(path: Path) -> Module:
    """Read once and walked once: many rules ask, and hundreds of trees are too much to keep."""
    functions: list[Shape] = []
    packages: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            functions.append(Shape.of(node))
        elif isinstance(node, ast.Import):
            packages.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            packages.add(node.module.partition(".")[0])
    return Module(tuple(functions), frozenset(packages))


def test_no_file_is_too_long_to_read_in_one_sitting() -> None:
    """Files, tests and the page's included, have a fixed limit of lines."""
    page = [path for path in (ROOT / "controller" / "web").rglob("*") if path.suffix in PAGE_FILES]
    too_long = {
        shown(path): count
        for path in (*sources(*ROOMS, "tests"), *page)
        if (count := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert not too_long


def test_no_function_is_longer_than_a_screen() -> None:
    """Functions have a hard limit of lines."""
    too_long = {
        f"{shown(path)}:{function.name}": function.length
        for path in sources(*ROOMS, "tests")
        for function in module_of(path).functions
        if function.length > FUNCTION_LINES_MAX
    }
    assert not too_long


@pytest.mark.parametrize("room", ROOMS)
def test_nine_functions_in_ten_are_short(room: str) -> None:
    """A room whose functions grow is told before any of them hits the hard limit."""
    lengths = sorted(one.length for path in sources(room) for one in module_of(path).functions)
    assert lengths, f"{room} has no functions"
    assert lengths[math.ceil(len(lengths) * 0.9) - 1] <= FUNCTION_LINES_P90


def test_more_than_three_arguments_are_named_by_the_caller() -> None:
    """A call with four bare values is a call nobody can read."""
    offenders = [
        f"{shown(path)}:{function.line} {function.name}"
        for path in sources(*ROOMS)
        for function in module_of(path).functions
        if function.positional > POSITIONAL_MAX
    ]
    assert not offenders


def test_every_module_is_named_after_what_it_holds() -> None:
    """A module called after nothing collects everything."""
    nameless = [
        shown(path) for path in sources(*ROOMS, "tests") if EMPTY_NAMES & set(path.stem.split("_"))
    ]
    assert not nameless


def test_nothing_is_left_unfinished() -> None:
    """What is not done is an issue in the tracker, never a mark in the code."""
    marks = [
        f"{shown(path)}:{number} {line.strip()}"
        for path in sources(*ROOMS, "tests")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not marks


@pytest.mark.parametrize("package", sorted(PORT_IMPORTERS_MAX))
def test_a_package_behind_a_port_stays_there(package: str) -> None:
    """Each of these could be replaced by rewriting the few modules that import it."""
    modules = [path for path in sources(*ROOMS) if "versions" not in path.parts]
    importers = [shown(path) for path in modules if package in module_of(path).packages]
    assert len(importers) <= PORT_IMPORTERS_MAX[package], importers


def test_only_the_archive_knows_sql() -> None:
    """What others ask of the database has a name there."""
    importers = [
        shown(path) for path in sources(*ROOMS) if "sqlalchemy" in module_of(path).packages
    ]
    assert [one for one in importers if not one.startswith("controller/archive/")] == []


def test_every_test_file_has_a_name_of_its_own() -> None:
    """The tests folder has no packages, so two files of one name would hide each other."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("package", sorted(PORT_ROOMS))
def test_a_package_with_a_folder_stays_in_it(package: str) -> None:
    """What fills a folder is replaced by rewriting that folder."""
    outside = [
        shown(path)
        for path in sources(*ROOMS)
        if package in module_of(path).packages and not shown(path).startswith(PORT_ROOMS[package])
    ]
    assert not outside
