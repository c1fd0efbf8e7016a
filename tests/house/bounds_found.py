"""Finds in a module's source what can grow while somebody waits, and the name of its limit."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

LIMIT_AT = {
    "Queue": (0, "maxsize"),
    "LifoQueue": (0, "maxsize"),
    "PriorityQueue": (0, "maxsize"),
    "SimpleQueue": (None, ""),
    "deque": (1, "maxlen"),
    "Semaphore": (0, "value"),
    "BoundedSemaphore": (0, "value"),
}
"""What is made with a limit, and where a call has it: by position, by name."""
NO_LIMIT = "no limit"
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
LIMIT_NAME = re.compile(r"MAX_\w+|\w+_MAX|\w+_AT_ONCE")
WHAT_WAITS = re.compile(r"IN_?FLIGHT|WAITING|PENDING|QUEUE|OUTBOX|BACKLOG|CONNECTIONS|_AT_ONCE")
SIZE_OF_ONE_VALUE = re.compile(r"BYTES|CHARACTERS|LENGTH|DIGITS")
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True)
class Bound:
    """A limit by the module that defines it; not named where the code has another expression."""

    module: str
    name: str
    line: int
    is_named: bool = True


def bounds_in(module: str, source: str) -> Iterator[Bound]:
    """Limits of queues and semaphores, those that lengths are held against, those called so."""
    tree = ast.parse(source)
    origins = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call | ast.keyword) and (limit := _limit(node)) is not None:
            is_named = CONSTANT.fullmatch(limit) is not None
            yield Bound(origins.get(limit, module), limit, node.lineno, is_named=is_named)
        elif isinstance(node, ast.Compare):
            for name in _held_against_a_length(node):
                yield Bound(origins.get(name, module), name, node.lineno)
    for statement in tree.body:
        name = _defined(statement)
        if LIMIT_NAME.fullmatch(name) and WHAT_WAITS.search(name):
            yield Bound(module, name, statement.lineno)


def _limit(node: ast.Call | ast.keyword) -> str | None:
    """The limit of what is made here, as it is written; None if nothing of the kind is made."""
    if isinstance(node, ast.keyword):
        is_made = node.arg == "default_factory" and _called(node.value) in LIMIT_AT
        return NO_LIMIT if is_made else None
    if _called(node.func) not in LIMIT_AT:
        return None
    position, keyword = LIMIT_AT[_called(node.func)]
    for given in node.keywords:
        if given.arg == keyword:
            return _written(given.value)
    if position is not None and len(node.args) > position:
        return _written(node.args[position])
    return NO_LIMIT


def _written(limit: ast.expr) -> str:
    return NO_LIMIT if ast.unparse(limit) in {"None", "0"} else ast.unparse(limit)


def _called(function: ast.expr) -> str:
    match function:
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _held_against_a_length(node: ast.Compare) -> Iterator[str]:
    if not any(isinstance(operator, ORDERINGS) for operator in node.ops):
        return
    if not any(isinstance(one, ast.Call) and _called(one.func) == "len" for one in ast.walk(node)):
        return
    for side in (node.left, *node.comparators):
        if not isinstance(side, ast.Name) or SIZE_OF_ONE_VALUE.search(side.id):
            continue
        if CONSTANT.fullmatch(side.id):
            yield side.id


def _defined(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return ""
