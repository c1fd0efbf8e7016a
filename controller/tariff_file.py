"""Tariff files: read (TOML or JSON), checked, and pointed at where they contradict themselves."""

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from actors.clock import SystemClock
from billing_core.grid import TariffGrid, grid_from_plain
from billing_core.grid_check import check_grid
from billing_core.stored import StoredValueError
from billing_core.tariff_check import Finding, Severity

MAX_FILE_BYTES: Final = 4 * 1024 * 1024

tariff_app = typer.Typer(add_completion=False, no_args_is_help=True, help="Tariff files.")


class TariffFileError(Exception):
    """A file that cannot be read as a grid; the message names the field."""


def read_grid(path: Path) -> TariffGrid:
    """Read a tariff file by its suffix (.json, anything else is TOML). Raises TariffFileError."""
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise TariffFileError(f"{path}: {error.strerror}") from error
    if len(payload) > MAX_FILE_BYTES:
        raise TariffFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        text = payload.decode()
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return grid_from_plain(data)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TariffFileError(f"{path}: {error}") from error
    except StoredValueError as error:
        raise TariffFileError(f"{path}: {error}") from error


@tariff_app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(help="A tariff grid, TOML or JSON.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Validate a whole tariff grid; exit 1 when it has errors, 2 when it cannot be read."""
    try:
        grid = read_grid(file)
    except TariffFileError as error:
        _print_unreadable(str(error), as_json=as_json)
        raise typer.Exit(2) from error
    findings = check_grid(grid, SystemClock().wall_ms())
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if as_json:
        answer = {
            "ok": not errors,
            "tariffs": len(grid.tariffs),
            "findings": [asdict(finding) for finding in findings],
        }
        typer.echo(json.dumps(answer, indent=2))
    else:
        print_findings(findings, Console())
        typer.echo(f"{len(grid.tariffs)} tariffs, {len(errors)} errors")
    if errors:
        raise typer.Exit(1)


@tariff_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a tariff file."""
    from controller.tariff_schema import tariff_schema

    typer.echo(json.dumps(tariff_schema(), indent=2))


def _print_unreadable(message: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"ok": False, "error": message}))
    else:
        typer.echo(message, err=True)


def print_findings(findings: list[Finding], console: Console) -> None:
    """A table of findings; nothing when there are none."""
    if not findings:
        return
    table = Table("", "Tariff", "Field", "Problem", "Code")
    for finding in findings:
        style = "red" if finding.severity is Severity.ERROR else "yellow"
        table.add_row(
            finding.severity.value,
            finding.tariff_id,
            finding.field,
            finding.message,
            finding.code,
            style=style,
        )
    console.print(table)
