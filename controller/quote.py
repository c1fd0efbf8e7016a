"""``clubctl quote``: what a session would cost, segment by segment, without any server."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from billing_core.grid import TariffGrid
from billing_core.money import amount_text
from billing_core.quote import Quote, QuoteRequest, quote
from billing_core.rejection import Rejected
from billing_core.session import SessionMode
from billing_core.tariff import Channel, Tariff, TariffStatus
from billing_core.tariff_check import Severity, check_tariff
from billing_core.terms import Terms
from billing_core.wallet import Wallet
from billing_core.window import UnknownTimezoneError, zone_of
from controller.tariff_file import TariffFileError, read_grid

ENOUGH_MINOR: Final = 10**12
"""The wallet when none is given: a quote asks for the price, not for the money."""
SOME_ZONE: Final = "any"


class QuoteError(Exception):
    """The question cannot be answered; the message names the option."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything the command line says."""

    file: Path
    start: str
    end: str
    tariff_id: str | None = None
    zone_id: str | None = None
    groups: tuple[str, ...] = ()
    cash: str | None = None
    bonus: str | None = None
    mode: SessionMode = SessionMode.PREPAID
    channel: Channel = Channel.CRM


def quote_command(
    *,
    tariff: Annotated[Path, typer.Option("--tariff", help="A tariff file, TOML or JSON.")],
    start: Annotated[str, typer.Option(help="RFC 3339, or the club's wall time.")],
    end: Annotated[str, typer.Option(help="RFC 3339, or the club's wall time.")],
    tariff_id: Annotated[str | None, typer.Option(help="Which tariff of the file.")] = None,
    zone: Annotated[str | None, typer.Option(help="Zone of the PC.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="A player group; repeatable.")] = None,
    cash: Annotated[str | None, typer.Option(help="Wallet, minor units (12.50 = major).")] = None,
    bonus: Annotated[str | None, typer.Option(help="Bonus, minor units (12.50 = major).")] = None,
    open_ended: Annotated[bool, typer.Option("--open-ended", help="Post-pay.")] = False,
    channel: Annotated[Channel, typer.Option(help="Where it is bought.")] = Channel.CRM,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What a session would cost: exit 1 when it could not begin, 2 on a wrong question."""
    question = Question(
        file=tariff,
        start=start,
        end=end,
        tariff_id=tariff_id,
        zone_id=zone,
        groups=tuple(group or ()),
        cash=cash,
        bonus=bonus,
        mode=SessionMode.OPEN_ENDED if open_ended else SessionMode.PREPAID,
        channel=channel,
    )
    try:
        grid = read_grid(question.file)
        answer = ask(grid, question)
    except (QuoteError, TariffFileError) as error:
        typer.echo(json.dumps({"error": str(error)}) if as_json else str(error), err=not as_json)
        raise typer.Exit(2) from error
    if isinstance(answer, Rejected):
        refusal = {"rejected": answer.code.value, "message": answer.message}
        typer.echo(json.dumps(refusal) if as_json else f"{answer.message} ({answer.code.value})")
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(quote_json(answer, grid.club.timezone), indent=2))
    else:
        print_quote(answer, grid.club.timezone)


def ask(grid: TariffGrid, question: Question) -> Quote | Rejected:
    """Answer a question about a grid. Raises QuoteError when the question itself is wrong."""
    try:
        zone_of(grid.club.timezone)
    except UnknownTimezoneError as error:
        raise QuoteError(f"timezone: {error}") from error
    tariff = _tariff_of(grid, question.tariff_id)
    for finding in check_tariff(tariff):
        if finding.severity is Severity.ERROR:
            raise QuoteError(f"{tariff.id}: {finding.field}: {finding.message}")
    start_ms = _instant_ms(question.start, grid.club.timezone, "--start")
    end_ms = _instant_ms(question.end, grid.club.timezone, "--end")
    if end_ms < start_ms:
        raise QuoteError("--end: before --start")
    terms = Terms(
        club=grid.club,
        tariffs=grid.by_ref,
        zone=grid.zone(question.zone_id or _default_zone(grid)),
        wallet=_wallet(question, grid.club.currency),
        groups=question.groups,
    )
    request = QuoteRequest(start_ms, end_ms, question.mode, question.channel)
    return quote(tariff, terms, request)


def _tariff_of(grid: TariffGrid, tariff_id: str | None) -> Tariff:
    if tariff_id is None and len({tariff.id for tariff in grid.tariffs}) > 1:
        active = {t.id for t in grid.tariffs if t.status is TariffStatus.ACTIVE}
        raise QuoteError(f"--tariff-id: choose one of {', '.join(sorted(active))}")
    versions = [tariff for tariff in grid.tariffs if tariff_id in (None, tariff.id)]
    if not versions:
        raise QuoteError(f"--tariff-id: the file has no tariff {tariff_id or 'at all'}")
    return max(versions, key=lambda tariff: tariff.version)


def _default_zone(grid: TariffGrid) -> str:
    return grid.zones[0].zone_id if grid.zones else SOME_ZONE


def _instant_ms(text: str, timezone: str, option: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise QuoteError(f"{option}: {text!r} is not a time like 2026-03-02T18:00") from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=ZoneInfo(timezone))
    return round(instant.timestamp() * 1_000)


def _wallet(question: Question, currency: str) -> Wallet:
    if question.cash is None and question.bonus is None:
        return Wallet(ENOUGH_MINOR)
    return Wallet(
        _minor(question.cash or "0", "--cash", currency),
        _minor(question.bonus or "0", "--bonus", currency),
    )


def _minor(text: str, option: str, currency: str) -> int:
    """Whole numbers are minor units; a decimal point makes it an amount of money."""
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise QuoteError(f"{option}: {text!r} is not an amount") from error
    if "." in text:
        decimals = len(amount_text(0, currency).split()[0].partition(".")[2])
        amount = amount.scaleb(decimals)
    if not amount.is_finite() or amount != int(amount) or amount < 0:
        raise QuoteError(f"{option}: {text!r} is not a whole number of minor units")
    return int(amount)


def quote_json(answer: Quote, timezone: str) -> dict[str, Any]:
    """The quote for machines: minor units, RFC 3339 in the club's offset."""
    receipt = answer.receipt
    until_ms = answer.coverage.until_ms
    return {
        "currency": receipt.currency,
        "total_minor": receipt.total_minor,
        "cash_minor": receipt.cash_minor,
        "bonus_minor": receipt.bonus_minor,
        "purchase_minor": answer.purchase_minor,
        "coverage_until": None if until_ms is None else _stamp(until_ms, timezone),
        "coverage_cause": answer.coverage.cause.value,
        "ends_at": _stamp(answer.ended_at_ms, timezone),
        "ended_reason": answer.ended_reason.value,
        "wallet": {
            "cash_minor": answer.wallet.cash_minor,
            "bonus_minor": answer.wallet.bonus_minor,
        },
        "segments": [_segment_json(asdict(segment), timezone) for segment in receipt.segments],
    }


def _segment_json(segment: dict[str, Any], timezone: str) -> dict[str, Any]:
    shown = _stamped(segment, timezone)
    shown["lines"] = [_stamped(line, timezone) for line in segment["lines"]]
    return shown


def _stamped(fields: dict[str, Any], timezone: str) -> dict[str, Any]:
    return {
        name.removesuffix("_ms"): _stamp(value, timezone) if name.endswith("_at_ms") else value
        for name, value in fields.items()
    }


def _stamp(at_ms: int, timezone: str) -> str:
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(timezone))
    return local.isoformat(timespec="seconds" if at_ms % 1_000 == 0 else "milliseconds")


def print_quote(answer: Quote, timezone: str) -> None:
    """The quote for people: a line per line of the receipt, then the totals."""
    from rich.console import Console
    from rich.table import Table

    receipt = answer.receipt
    table = Table("Segment", "From", "Until", "Why", "Amount", title="Quote")
    for column in (1, 2, 4):
        table.columns[column].no_wrap = True
    table.columns[4].justify = "right"
    for segment in receipt.segments:
        for line in segment.lines:
            table.add_row(
                f"{segment.index + 1} {segment.tariff_name} ({segment.zone_id})",
                _wall(line.from_at_ms, timezone),
                _wall(line.until_at_ms, timezone),
                line.explanation,
                amount_text(line.amount_minor, receipt.currency),
            )
    console = Console()
    console.print(table)
    until_ms = answer.coverage.until_ms
    covered = "no end in sight" if until_ms is None else _stamp(until_ms, timezone)
    for label, amount_minor in (
        ("Total", receipt.total_minor),
        ("  cash", receipt.cash_minor),
        ("  bonus", receipt.bonus_minor),
    ):
        console.print(f"{label:<8} {amount_text(amount_minor, receipt.currency)}")
    if answer.purchase_minor:
        console.print(f"Bought for {amount_text(answer.purchase_minor, receipt.currency)}")
    console.print(f"Covered until {covered} ({answer.coverage.cause.value})")
    console.print(f"Ends {_stamp(answer.ended_at_ms, timezone)} ({answer.ended_reason.value})")


def _wall(at_ms: int, timezone: str) -> str:
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(timezone))
    return local.strftime("%a %H:%M:%S" if local.second else "%a %H:%M")
