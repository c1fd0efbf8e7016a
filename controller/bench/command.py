"""``clubctl bench NAME``: each benchmark measures two things in one run and says their ratio."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

Result = Mapping[str, Any]
GOAL_MET: Final = "goal_met"
"""In the result of a benchmark that judges itself: whether it reached its goal."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark not loaded yet; ``module`` has a ``run() -> dict``."""

    module: str
    summary: str


BENCHMARKS: Final = {
    "naive-ray": Benchmark(
        "controller.bench.naive_ray", "One Ray actor for each PC against our virtual ones."
    ),
    "ticks": Benchmark(
        "controller.bench.ticks", "Durable session ticks against the store's raw ceiling."
    ),
    "archive": Benchmark(
        "controller.bench.archive", "History into the archive against bare rows into a table."
    ),
    "fleet": Benchmark(
        "controller.bench.fleet", "Agents together in one process against one by itself."
    ),
    "screen": Benchmark(
        "controller.bench.screen", "A killed lock screen that covers again against a bare window."
    ),
    "quote": Benchmark("controller.bench_quote", "A long quote against a bare loop."),
}


def bench_command(
    *,
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(BENCHMARKS)}.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """The benchmarks of BENCHMARKS.md. Exit code 1: one that has a goal missed it."""
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"{name}: one of {', '.join(BENCHMARKS)}")
    benchmark = BENCHMARKS[name]
    console = Console(stderr=True)
    # Ray talks on standard output, which belongs to the result.
    with console.status(benchmark.summary), redirect_stdout(sys.stderr):
        run: Callable[[], Result] = import_module(benchmark.module).run
        result = run()
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        Console().print(_table(name, result))
    if not result.get(GOAL_MET, True):
        raise typer.Exit(1)


def _table(name: str, result: Result) -> Table:
    table = Table(title=f"clubctl bench {name}", show_header=False)
    for caption, value in _flat(result):
        table.add_row(caption, f"{value:,.3f}" if isinstance(value, float) else str(value))
    return table


def _flat(result: Result, prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for caption, value in result.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{caption}.")
        else:
            rows.append((f"{prefix}{caption}", value))
    return rows
