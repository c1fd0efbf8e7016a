"""The commands that need no server: a quote, a check of a tariff file, its schema."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.bench_quote import run
from controller.cli import app
from controller.tariff_schema import tariff_schema

ROOT = Path(__file__).parents[2]
GRID = """
timezone = "Europe/Berlin"
currency = "EUR"
zones = [{ zone_id = "std" }, { zone_id = "vip" }]

[[tariffs]]
id = "night"
type = "PER_MINUTE"
usage = { start = "23:00-07:00" }
prices = [{ price_per_hour_minor = 12000 }]

[[tariffs]]
id = "split"
type = "PER_MINUTE"
prices = [
  { name = "vip", zones = ["vip"], price_per_hour_minor = 24000 },
  { name = "student", groups = ["student"], price_per_hour_minor = 6000 },
  { name = "day", when = "08:00-18:00", price_per_hour_minor = 12000 },
  { name = "evening", price_per_hour_minor = 18000 },
]

[[tariffs]]
id = "pack"
type = "HOURS"
hours = 10
price_minor = 100000
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """A tariff file."""
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def ask(*arguments: str):
    """Run the command line."""
    return CliRunner().invoke(app, list(arguments))


def quoted(grid: Path, tariff_id: str, *arguments: str) -> dict:
    """The quote as machines get it."""
    result = ask("quote", "--tariff", str(grid), "--tariff-id", tariff_id, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.parametrize(
    ("start", "end", "total"),
    [
        ("2026-10-24T23:00", "2026-10-25T07:00", 108_000),
        ("2026-03-28T23:00", "2026-03-29T07:00", 84_000),
        ("2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00", 108_000),
        ("2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z", 108_000),
    ],
)
def test_a_night_through_the_change_of_the_clocks(
    grid: Path, start: str, end: str, total: int
) -> None:
    """Nine hours or seven, however the instant is written."""
    answer = quoted(grid, "night", "--start", start, "--end", end)
    assert answer["total_minor"] == total
    assert answer["coverage_cause"] == "SCHEDULE"
    assert answer["ended_reason"] == "ScheduleClosed"


def test_a_quote_has_segments_lines_and_the_split_of_money(grid: Path) -> None:
    """A day-to-evening boundary, a wallet with bonus, an explanation per line."""
    answer = quoted(
        grid, "split", "--start", "2026-03-02T17:30", "--end", "2026-03-02T18:30",
        "--cash", "120.00", "--bonus", "4000",
    )  # fmt: skip
    assert [part["amount_minor"] for part in answer["segments"]] == [6_000, 9_000]
    assert (answer["bonus_minor"], answer["cash_minor"]) == (4_000, 11_000)
    assert answer["wallet"] == {"cash_minor": 1_000, "bonus_minor": 0}
    assert answer["coverage_until"] == "2026-03-02T18:33:00+01:00"
    assert answer["coverage_cause"] == "BALANCE"
    [line] = answer["segments"][1]["lines"]
    assert (line["rule"], line["steps"], line["tariff_version"]) == ("evening", 30, 1)
    assert line["from_at"] == "2026-03-02T18:00:00+01:00"
    assert "180.00 EUR an hour" in line["explanation"]


@pytest.mark.parametrize(
    ("arguments", "total"),
    [(("--zone", "vip"), 24_000), (("--group", "student"), 6_000), (("--zone", "std"), 12_000)],
)
def test_zone_and_group_choose_the_rule(grid: Path, arguments: tuple, total: int) -> None:
    """The first rule that matches."""
    hour = ("--start", "2026-03-02T12:00", "--end", "2026-03-02T13:00")
    assert quoted(grid, "split", *hour, *arguments)["total_minor"] == total


def test_a_bought_tariff_is_bought_first(grid: Path) -> None:
    """The purchase is shown beside the value of the time used."""
    hour = ("--start", "2026-03-02T12:00", "--end", "2026-03-02T13:00")
    answer = quoted(grid, "pack", *hour)
    assert (answer["purchase_minor"], answer["total_minor"]) == (100_000, 10_000)


def test_people_get_a_table(grid: Path) -> None:
    """With the total, the reason and the end."""
    result = ask(
        "quote", "--tariff", str(grid), "--tariff-id", "split",
        "--start", "2026-03-02T17:30", "--end", "2026-03-02T18:30",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "Total    150.00 EUR" in result.output
    assert "(ManualByPlayer)" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--start", "noon"), "--start: 'noon' is not a time"),
        (("--end", "2026-03-01T12:00"), "--end: before --start"),
        (("--cash", "ten"), "--cash: 'ten' is not an amount"),
        (("--cash", "0.001"), "--cash: '0.001' is not a whole number of minor units"),
        (("--bonus", "-5"), "--bonus: '-5' is not a whole number"),
        (("--tariff-id", "lost"), "--tariff-id: the file has no tariff lost"),
    ],
)
def test_a_wrong_question_is_answered_with_the_option(
    grid: Path, arguments: tuple, said: str
) -> None:
    """Exit 2, and which option it is about."""
    usual = {
        "--tariff": str(grid),
        "--tariff-id": "split",
        "--start": "2026-03-02T12:00",
        "--end": "2026-03-02T13:00",
    }
    usual.update(dict([arguments]))
    result = ask("quote", *[word for pair in usual.items() for word in pair])
    assert result.exit_code == 2
    assert said in result.output


def test_several_tariffs_need_a_choice(grid: Path) -> None:
    """And the choices are listed."""
    result = ask("quote", "--tariff", str(grid), "--start", "2026-03-02", "--end", "2026-03-03")
    assert result.exit_code == 2
    assert "choose one of night, pack, split" in result.output


def test_a_session_that_could_not_begin_says_why(grid: Path) -> None:
    """Exit 1 with the stable code."""
    result = ask(
        "quote", "--tariff", str(grid), "--tariff-id", "night", "--json",
        "--start", "2026-03-02T12:00", "--end", "2026-03-02T13:00",
    )  # fmt: skip
    assert result.exit_code == 1
    assert json.loads(result.output)["rejected"] == "tariff-not-usable-now"


def test_a_tariff_with_errors_is_not_quoted(grid: Path) -> None:
    """The field is named instead of a number from nowhere."""
    grid.write_text(GRID.replace('id = "night"', 'id = "night"\nbilling_step_seconds = 0'))
    result = ask(
        "quote", "--tariff", str(grid), "--tariff-id", "night",
        "--start", "2026-03-02T23:00", "--end", "2026-03-02T23:30",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "night: billing_step_seconds: 0 is below 1" in result.output


def test_a_grid_is_checked(grid: Path) -> None:
    """0 when sound, 1 with errors, 2 when unreadable; machines get findings."""
    assert ask("tariff", "check", str(grid)).exit_code == 0
    grid.write_text(GRID.replace("Europe/Berlin", "Europe/Nowhere"))
    result = ask("tariff", "check", str(grid), "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["findings"][0]["code"] == "unknown-timezone"
    assert "unknown-timezone" in ask("tariff", "check", str(grid)).output
    grid.write_text(GRID.replace("PER_MINUTE", "HOURLY"))
    result = ask("tariff", "check", str(grid), "--json")
    assert result.exit_code == 2
    assert "tariffs[0].type: 'HOURLY' is not one of" in json.loads(result.output)["error"]


@pytest.mark.parametrize("text", ["timezone =", "\udcff", "{}"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    """Whatever is in it."""
    path = tmp_path / "grid.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    result = ask("tariff", "check", str(path))
    assert result.exit_code == 2
    assert "grid.toml: " in result.output
    assert ask("tariff", "check", str(tmp_path / "lost.toml")).exit_code == 2


def test_json_files_are_read_too(tmp_path: Path) -> None:
    """The same tables."""
    path = tmp_path / "grid.json"
    tariff = {"id": "t", "type": "PER_MINUTE", "prices": [{"price_per_hour_minor": 600}]}
    path.write_text(json.dumps({"timezone": "UTC", "currency": "EUR", "tariffs": [tariff]}))
    hour = ("--start", "2026-03-02T12:00Z", "--end", "2026-03-02T12:03Z")
    assert quoted(path, "t", *hour)["total_minor"] == 30


def test_the_published_schema_is_current() -> None:
    """``clubctl tariff schema > docs/tariff-schema.json`` was run after the last change."""
    published = json.loads((ROOT / "docs" / "tariff-schema.json").read_text())
    assert published == tariff_schema()
    assert json.loads(ask("tariff", "schema").output) == published


def test_a_quote_loads_no_server(grid: Path) -> None:
    """Neither Ray nor Redis nor the web are imported on the way to an answer."""
    script = (
        "import sys; from controller.cli import app\n"
        "try: app()\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "heavy = {'ray', 'redis', 'fastapi', 'sqlalchemy', 'gmqtt'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    command = [
        sys.executable, "-c", script, "quote", "--tariff", str(grid), "--tariff-id", "night",
        "--start", "2026-10-24T23:00", "--end", "2026-10-25T07:00", "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_benchmark_measures_both_sides() -> None:
    """Ten thousand minutes in fifteen segments; its figures are for the benchmark page."""
    result = run()
    assert result["minutes"] == 10_000
    assert result["segments"] == 15
    assert result["ratio"] > 0


def test_the_example_in_the_documents_is_sound() -> None:
    """It passes the check without a warning and can be quoted as the page says."""
    example = ROOT / "docs" / "examples" / "tariffs.toml"
    result = ask("tariff", "check", str(example), "--json")
    assert json.loads(result.output) == {"ok": True, "tariffs": 4, "findings": []}
    answer = quoted(
        example, "hourly", "--zone", "vip", "--start", "2026-03-06T22:30",
        "--end", "2026-03-07T00:30", "--cash", "400.00", "--bonus", "50.00",
    )  # fmt: skip
    assert (answer["total_minor"], answer["bonus_minor"]) == (36_100, 5_000)
