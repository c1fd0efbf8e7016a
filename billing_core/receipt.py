"""The frozen bill: segments with their real boundaries, and for each why it cost what it cost.

Lines are worked out again from the tariff version and the times alone, so a receipt is also a
proof: its lines sum to what was posted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from billing_core.evidence import ReceiptOutage, receipt_outage
from billing_core.money import amount_text, minor_from_units
from billing_core.pricing import Piece, Run, pieces, price_minor, rule_of, step_start_ms
from billing_core.session import Forfeit, HandedBack, Segment, SessionDevice, SessionState
from billing_core.tariff import PriceRule, Tariff, TariffRef


class LineKind(StrEnum):
    """What a line stands for."""

    TIME = "time"
    PREPAID = "prepaid"
    START_FEE = "start_fee"
    MINIMUM_PRICE = "minimum_price"
    MAXIMUM_PRICE = "maximum_price"
    CREDIT = "credit"
    """Time in which the PC did not serve, given back."""
    SETTLEMENT = "settlement"
    """What was begun here and not charged: a session of no length, a step moved elsewhere."""


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """A range of steps under one rule at one price. ``steps`` counts those that began in it."""

    kind: LineKind
    explanation: str
    rule: str
    tariff_version: int
    from_at_ms: int
    until_at_ms: int
    steps: int
    price_per_hour_minor: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ReceiptSegment:
    """One segment; its lines sum to its amount."""

    index: int
    tariff: TariffRef
    tariff_name: str
    cause: str
    zone_id: str
    player_tariff_id: str | None
    start_at_ms: int
    end_at_ms: int
    amount_minor: int
    bonus_minor: int
    cash_minor: int
    lines: tuple[ReceiptLine, ...]


@dataclass(frozen=True, slots=True)
class ReceiptForfeit:
    """Prepaid time that was neither used nor given back; it is in no segment."""

    player_tariff_id: str
    tariff: TariffRef
    tariff_name: str
    order_id: str | None
    amount_minor: int
    bonus_minor: int
    explanation: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bill of a session; segments sum to the total, which is what was played for.

    ``forfeits`` was paid beside it. ``handed_back`` is what the desk gave a one-time guest back of
    what they had paid; None: nothing.
    """

    session_id: str
    club_id: str
    currency: str
    issued_at_ms: int
    total_minor: int
    bonus_minor: int
    cash_minor: int
    segments: tuple[ReceiptSegment, ...]
    outages: tuple[ReceiptOutage, ...] = ()
    forfeits: tuple[ReceiptForfeit, ...] = ()
    handed_back: HandedBack | None = None


def receipt_of(
    state: SessionState,
    tariffs: Mapping[TariffRef, Tariff],
    *,
    timezone: str,
    issued_at_ms: int | None = None,
) -> Receipt:
    """The receipt of a session, final once it has ended and a statement so far before that.

    ``issued_at_ms`` defaults to the actual end.
    """
    if issued_at_ms is None:
        issued_at_ms = state.actual_end_at_ms
    assert issued_at_ms is not None, "a running session's statement needs an instant"
    segments = tuple(
        _segment(segment, state, tariffs[segment.tariff], timezone=timezone)
        for segment in state.segments
    )
    return Receipt(
        session_id=state.session_id,
        club_id=state.club_id,
        currency=state.currency,
        issued_at_ms=issued_at_ms,
        total_minor=state.amount_minor,
        bonus_minor=state.bonus_minor,
        cash_minor=state.amount_minor - state.bonus_minor,
        segments=segments,
        outages=tuple(map(receipt_outage, state.outages)),
        forfeits=tuple(_forfeit(one, tariffs[one.tariff].name, state) for one in state.forfeits),
        handed_back=state.handed_back,
    )


def _forfeit(one: Forfeit, tariff_name: str, state: SessionState) -> ReceiptForfeit:
    price = amount_text(one.amount_minor, state.currency)
    return ReceiptForfeit(
        player_tariff_id=one.player_tariff_id,
        tariff=one.tariff,
        tariff_name=tariff_name,
        order_id=one.purchase_id,
        amount_minor=one.amount_minor,
        bonus_minor=one.bonus_minor,
        explanation=f"{tariff_name}: {price} not used and not given back",
    )


def _segment(
    segment: Segment, state: SessionState, tariff: Tariff, *, timezone: str
) -> ReceiptSegment:
    end_ms = segment.paid_until_ms if segment.end_at_ms is None else segment.end_at_ms
    zone_id = zone_at(state.device_links, max(segment.start_at_ms, end_ms - 1), segment.zone_id)
    run = Run(tariff, timezone, zone_id, state.groups, segment.run_start_at_ms)
    if segment.pack is not None:
        lines: tuple[ReceiptLine, ...] = (_prepaid_line(segment, run, state.currency),)
    else:
        lines = tuple(_priced_lines(segment, run, state.currency))
    return ReceiptSegment(
        index=segment.index,
        tariff=segment.tariff,
        tariff_name=tariff.name,
        cause=segment.cause.value,
        zone_id=segment.zone_id,
        player_tariff_id=segment.player_tariff_id,
        start_at_ms=segment.start_at_ms,
        end_at_ms=end_ms,
        amount_minor=segment.amount_minor,
        bonus_minor=segment.bonus_minor,
        cash_minor=segment.cash_minor,
        lines=lines,
    )


def zone_at(links: Iterable[SessionDevice], at_ms: int, otherwise: str) -> str:
    """The zone of the PC a session was at; ``otherwise`` before its first one."""
    zone_id = otherwise
    for link in links:
        if link.start_at_ms <= at_ms:
            zone_id = link.zone_id
    return zone_id


def _prepaid_line(segment: Segment, run: Run, currency: str) -> ReceiptLine:
    tariff, pack = run.tariff, segment.pack
    assert pack is not None
    minutes = segment.accrued_units / 60_000
    price = amount_text(pack.price_minor, currency)
    returned = ""
    if segment.credited_units:
        returned = f", {segment.credited_units / 60_000:g} min not served came back"
    return ReceiptLine(
        kind=LineKind.PREPAID,
        explanation=f"{tariff.name}, bought for {price}: {minutes:g} min used{returned}",
        rule=rule_of(tariff, segment.rule_index).name,
        tariff_version=tariff.version,
        from_at_ms=segment.start_at_ms,
        until_at_ms=segment.paid_until_ms,
        steps=steps_before(run, segment, segment.paid_until_ms),
        price_per_hour_minor=0,
        amount_minor=segment.amount_minor,
    )


def _priced_lines(segment: Segment, run: Run, currency: str) -> Iterator[ReceiptLine]:
    rule = rule_of(run.tariff, segment.rule_index)
    base = _base_line(segment, rule, run.tariff)
    total_minor = 0
    if segment.fee_minor:
        total_minor += segment.fee_minor
        fee = amount_text(segment.fee_minor, currency)
        yield replace(
            base,
            kind=LineKind.START_FEE,
            explanation=f"start fee of rule {rule.name}: {fee}, once per session",
            amount_minor=segment.fee_minor,
        )
    units = 0
    for line, line_units in _time_lines(segment, run, base, currency=currency):
        amount_minor = minor_from_units(units + line_units) - minor_from_units(units)
        units += line_units
        total_minor += amount_minor
        yield replace(line, amount_minor=amount_minor)
    if segment.credited_units:
        amount_minor = minor_from_units(units - segment.credited_units) - minor_from_units(units)
        units -= segment.credited_units
        total_minor += amount_minor
        yield replace(
            base,
            kind=LineKind.CREDIT,
            explanation="time in which the PC did not serve",
            until_at_ms=segment.paid_until_ms,
            amount_minor=amount_minor,
        )
    bound_minor = price_minor(rule, units, segment.fee_minor) - total_minor
    if bound_minor and segment.amount_minor:
        total_minor += bound_minor
        yield _bound_line(base, rule, bound_minor, currency=currency)
    if total_minor != segment.amount_minor:
        yield replace(
            base,
            kind=LineKind.SETTLEMENT,
            explanation="begun and not charged",
            amount_minor=segment.amount_minor - total_minor,
        )


def _base_line(segment: Segment, rule: PriceRule, tariff: Tariff) -> ReceiptLine:
    return ReceiptLine(
        kind=LineKind.TIME,
        explanation="",
        rule=rule.name,
        tariff_version=tariff.version,
        from_at_ms=segment.start_at_ms,
        until_at_ms=segment.start_at_ms,
        steps=0,
        price_per_hour_minor=0,
        amount_minor=0,
    )


def _time_lines(
    segment: Segment, run: Run, base: ReceiptLine, *, currency: str
) -> Iterator[tuple[ReceiptLine, int]]:
    start_ms, end_ms = segment.start_at_ms, segment.paid_until_ms
    for from_ms, until_ms, piece in _merged(pieces(run, start_ms, end_ms)):
        steps = _steps_between(run, segment, from_ms, until_ms=until_ms)
        rule = rule_of(run.tariff, piece.rule_index)
        price = amount_text(piece.rate_per_hour_minor, currency)
        line = replace(
            base,
            explanation=(
                f"{run.tariff.name} v{run.tariff.version}, rule {rule.name}: "
                f"{(until_ms - from_ms) / 60_000:g} min at {price} an hour, "
                f"{_steps_text(steps, run.tariff.billing_step_seconds)}"
            ),
            rule=rule.name,
            from_at_ms=from_ms,
            until_at_ms=until_ms,
            steps=steps,
            price_per_hour_minor=piece.rate_per_hour_minor,
        )
        yield line, piece.rate_per_hour_minor * (until_ms - from_ms)


def _steps_text(steps: int, step_seconds: int) -> str:
    if steps == 0:
        return "the rest of a step begun before"
    return f"{steps} {'step' if steps == 1 else 'steps'} of {step_seconds} s"


def _merged(
    parts: Iterator[tuple[int, int, Piece]],
) -> Iterator[tuple[int, int, Piece]]:
    """Neighbours of one rule and price are one line, whatever edges the table has between them."""
    held: tuple[int, int, Piece] | None = None
    for from_ms, until_ms, piece in parts:
        if held is not None and _same_price(held[2], piece):
            held = (held[0], until_ms, piece)
            continue
        if held is not None:
            yield held
        held = (from_ms, until_ms, piece)
    if held is not None:
        yield held


def _same_price(one: Piece, other: Piece) -> bool:
    return (one.rule_index, one.rate_per_hour_minor) == (
        other.rule_index,
        other.rate_per_hour_minor,
    )


def _steps_between(run: Run, segment: Segment, from_ms: int, *, until_ms: int) -> int:
    """Steps that begin in ``[from_ms, until_ms)``."""
    return steps_before(run, segment, until_ms) - steps_before(run, segment, from_ms)


def steps_before(run: Run, segment: Segment, at_ms: int) -> int:
    """Steps of the segment that begin before an instant, the one that opens it included."""
    if at_ms <= segment.start_at_ms:
        return 0
    first_end_ms = run.start_at_ms + run.tariff.first_step_ms
    last_ms = step_start_ms(run, at_ms - 1)
    opening_ms = step_start_ms(run, segment.start_at_ms)
    if last_ms < first_end_ms:
        return 1
    if opening_ms < first_end_ms:
        return 2 + (last_ms - first_end_ms) // run.tariff.step_ms
    return 1 + (last_ms - opening_ms) // run.tariff.step_ms


def _bound_line(
    base: ReceiptLine, rule: PriceRule, amount_minor: int, *, currency: str
) -> ReceiptLine:
    if amount_minor > 0:
        bound = amount_text(rule.min_price_minor or 0, currency)
        kind, word = LineKind.MINIMUM_PRICE, "minimum"
    else:
        bound = amount_text(rule.max_price_minor or 0, currency)
        kind, word = LineKind.MAXIMUM_PRICE, "maximum"
    return replace(
        base,
        kind=kind,
        explanation=f"{word} price of rule {rule.name}: {bound}",
        amount_minor=amount_minor,
    )
