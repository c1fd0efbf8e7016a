"""From states to views: what the hall, the API and a reply show. No decision is made here."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from actors.club_setup import ClubSetup
from actors.pc import PcState, SentCommand
from billing_core.coverage import CoverageStatus
from billing_core.receipt import Receipt, ReceiptForfeit, ReceiptSegment
from billing_core.session import HandedBack, Segment, SessionState, SessionStatus
from billing_core.tariff import TariffRef
from schemas.views import (
    DeviceLinkView,
    HallTile,
    HandedBackView,
    PcCommandView,
    ReceiptForfeitView,
    ReceiptLineView,
    ReceiptOutageView,
    ReceiptSegmentView,
    ReceiptView,
    SegmentView,
    SessionView,
    UseState,
)

_WARNING: Final = frozenset(
    {
        CoverageStatus.ENDING_SOON,
        CoverageStatus.NEEDS_ATTENTION,
        CoverageStatus.OUT_OF_SCHEDULE,
    }
)
UNKNOWN_TARIFF: Final = "?"


def use_of(session: SessionState | None, *, held: bool) -> UseState:
    """The second axis of a PC: what it is used for. A held one is on hold, whatever is booked."""
    if held and (session is None or session.status is not SessionStatus.STARTED):
        return UseState.HOLD
    if session is None:
        return UseState.FREE
    if session.status is not SessionStatus.STARTED:
        return UseState.WAIT
    if session.coverage is None:
        return UseState.RUNNING
    if session.coverage.status is CoverageStatus.EXPIRED:
        return UseState.WAITING
    return UseState.WARNING if session.coverage.status in _WARNING else UseState.RUNNING


def tile_of(
    pc: PcState, session: SessionState | None, *, setup: ClubSetup, player_label: str | None
) -> HallTile:
    """A PC as the hall shows it; both axes, whatever the other says."""
    zone = setup.zone_of_pc(pc.pc_id)
    tile = HallTile(
        pc_id=pc.pc_id,
        pc_name=setup.pcs[pc.pc_id].name,
        zone_id=zone.zone_id,
        zone_name=zone.name,
        link=pc.link,
        use=use_of(session, held=pc.hold is not None),
        locked=pc.locked,
        in_sync=pc.in_sync,
        last_seen_at_ms=pc.last_seen_at_ms,
        exposure_until_ms=pc.exposed_until_ms,
        hold_reason=None if pc.hold is None else pc.hold.reason,
        hold_until_ms=None if pc.hold is None else pc.hold.until_ms,
        degraded=",".join(pc.degraded) or None,
        last_command=None if pc.command is None else _command_view(pc.command),
        retired=setup.is_retired(pc.pc_id),
    )
    return (
        tile if session is None else tile.model_copy(update=_on_tile(session, setup, player_label))
    )


def _command_view(sent: SentCommand) -> PcCommandView:
    return PcCommandView(
        command_id=sent.command_id,
        command=sent.kind.value,
        sent_at_ms=sent.sent_at_ms,
        carrier_pc_id=sent.carrier_pc_id,
        outcome=sent.outcome,
    )


def _on_tile(
    session: SessionState, setup: ClubSetup, player_label: str | None
) -> dict[str, object]:
    coverage = session.coverage
    segment = session.open_segment
    tariff = session.tariff if segment is None else segment.tariff
    return {
        "session_id": session.session_id,
        "session_status": session.status.value,
        "player_id": session.player_id,
        "player_label": player_label,
        "tariff_id": tariff.id,
        "tariff_name": setup.name_of(tariff),
        "started_at_ms": session.actual_start_at_ms,
        "planned_start_at_ms": session.planned_start_at_ms,
        "coverage_until_ms": None if coverage is None else coverage.until_ms,
        "coverage_cause": None if coverage is None else coverage.cause.value,
        "coverage_status": None if coverage is None else coverage.status.value,
    }


def session_view(
    session: SessionState, *, version: int, tariff_names: Mapping[str, str]
) -> SessionView:
    """A session as a CRM sees it. ``tariff_names`` is keyed ``<id>:<version>``."""
    coverage = None if session.status.is_final else session.coverage
    amount_minor, bonus_minor = session.amount_minor, session.bonus_minor
    return SessionView(
        session_id=session.session_id,
        club_id=session.club_id,
        version=version,
        status=session.status.value,
        mode=session.mode.value,
        player_id=session.player_id,
        guest_label=session.guest_label,
        order_id=session.order_id or session.session_id,
        pc_id=session.pc_id,
        zone_id=session.zone_id,
        planned_start_at_ms=session.planned_start_at_ms,
        actual_start_at_ms=session.actual_start_at_ms,
        actual_end_at_ms=session.actual_end_at_ms,
        effective_start_at_ms=session.effective_start_at_ms,
        effective_end_at_ms=session.effective_end_at_ms,
        ended_reason=None if session.ended_reason is None else session.ended_reason.value,
        coverage_until_ms=None if coverage is None else coverage.until_ms,
        coverage_cause=None if coverage is None else coverage.cause.value,
        coverage_status=None if coverage is None else coverage.status.value,
        currency=session.currency,
        amount_minor=amount_minor,
        bonus_minor=bonus_minor,
        cash_minor=amount_minor - bonus_minor,
        forfeited_minor=session.forfeited_minor,
        handed_back=handed_back_view(session.handed_back),
        segments=(
            *(_begun(session, segment, tariff_names) for segment in session.segments),
            *_waiting(session, tariff_names),
        ),
        devices=tuple(
            DeviceLinkView(
                pc_id=link.pc_id,
                zone_id=link.zone_id,
                actual_start_at_ms=link.start_at_ms,
                actual_end_at_ms=link.end_at_ms,
            )
            for link in session.device_links
        ),
    )


def _begun(session: SessionState, segment: Segment, tariff_names: Mapping[str, str]) -> SegmentView:
    first = segment.index == 0
    return SegmentView(
        index=segment.index,
        player_tariff_id=segment.player_tariff_id,
        **_of_tariff(segment.tariff, tariff_names),
        zone_id=segment.zone_id,
        planned_start_at_ms=session.planned_start_at_ms if first else segment.start_at_ms,
        planned_end_at_ms=segment.planned_end_at_ms,
        actual_start_at_ms=segment.start_at_ms,
        actual_end_at_ms=segment.end_at_ms,
        amount_minor=segment.amount_minor,
        bonus_minor=segment.bonus_minor,
        cash_minor=segment.cash_minor,
        order_id=segment.purchase_id or session.session_id,
    )


def _waiting(session: SessionState, tariff_names: Mapping[str, str]) -> Iterator[SegmentView]:
    """Segments that are still to come: a booking's only one, and what was added to what runs."""
    if not session.segments:
        yield _planned(
            session.tariff,
            tariff_names,
            index=0,
            player_tariff_id=session.player_tariff_id,
            zone_id=session.zone_id,
            from_ms=session.planned_start_at_ms,
            until_ms=session.planned_end_at_ms,
            order_id=session.order_id or session.session_id,
        )
    elif not session.status.is_final:
        yield from _added(session, tariff_names)


def _added(session: SessionState, tariff_names: Mapping[str, str]) -> Iterator[SegmentView]:
    from_ms, last = session.segments[-1].planned_end_at_ms, len(session.extensions) - 1
    for number, extension in enumerate(session.extensions):
        pack = extension.pack
        left_ms = None if pack is None else pack.remaining_ms
        until_ms = None if from_ms is None or left_ms is None else from_ms + left_ms
        if number == last and session.coverage is not None:
            until_ms = session.coverage.until_ms
        yield _planned(
            extension.tariff,
            tariff_names,
            index=len(session.segments) + number,
            player_tariff_id=None if pack is None else pack.player_tariff_id,
            zone_id=session.zone_id,
            from_ms=from_ms,
            until_ms=until_ms,
            order_id=(None if pack is None else pack.order_id) or session.session_id,
        )
        from_ms = until_ms


def _planned(
    tariff: TariffRef,
    tariff_names: Mapping[str, str],
    *,
    index: int,
    player_tariff_id: str | None,
    zone_id: str,
    from_ms: int | None,
    until_ms: int | None,
    order_id: str,
) -> SegmentView:
    return SegmentView(
        index=index,
        player_tariff_id=player_tariff_id,
        **_of_tariff(tariff, tariff_names),
        zone_id=zone_id,
        planned_start_at_ms=from_ms,
        planned_end_at_ms=until_ms,
        actual_start_at_ms=None,
        actual_end_at_ms=None,
        amount_minor=0,
        bonus_minor=0,
        cash_minor=0,
        order_id=order_id,
    )


def _of_tariff(tariff: TariffRef, tariff_names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "tariff_id": tariff.id,
        "tariff_version": tariff.version,
        "tariff_name": tariff_names.get(f"{tariff.id}:{tariff.version}", UNKNOWN_TARIFF),
    }


def receipt_view(receipt: Receipt) -> ReceiptView:
    """A frozen bill as a CRM sees it."""
    return ReceiptView(
        session_id=receipt.session_id,
        club_id=receipt.club_id,
        currency=receipt.currency,
        issued_at_ms=receipt.issued_at_ms,
        total_minor=receipt.total_minor,
        bonus_minor=receipt.bonus_minor,
        cash_minor=receipt.cash_minor,
        segments=tuple(_receipt_segment(segment) for segment in receipt.segments),
        outages=tuple(ReceiptOutageView(**asdict(outage)) for outage in receipt.outages),
        forfeits=tuple(_receipt_forfeit(one) for one in receipt.forfeits),
        handed_back=handed_back_view(receipt.handed_back),
    )


def handed_back_view(back: HandedBack | None) -> HandedBackView | None:
    """What the desk hands back, if anything."""
    return None if back is None else HandedBackView(**asdict(back))


def _receipt_forfeit(one: ReceiptForfeit) -> ReceiptForfeitView:
    return ReceiptForfeitView(
        player_tariff_id=one.player_tariff_id,
        tariff_id=one.tariff.id,
        tariff_version=one.tariff.version,
        tariff_name=one.tariff_name,
        order_id=one.order_id,
        amount_minor=one.amount_minor,
        bonus_minor=one.bonus_minor,
        explanation=one.explanation,
    )


def _receipt_segment(segment: ReceiptSegment) -> ReceiptSegmentView:
    return ReceiptSegmentView(
        index=segment.index,
        tariff_id=segment.tariff.id,
        tariff_version=segment.tariff.version,
        tariff_name=segment.tariff_name,
        zone_id=segment.zone_id,
        actual_start_at_ms=segment.start_at_ms,
        actual_end_at_ms=segment.end_at_ms,
        amount_minor=segment.amount_minor,
        bonus_minor=segment.bonus_minor,
        cash_minor=segment.cash_minor,
        lines=tuple(
            ReceiptLineView(
                explanation=line.explanation,
                rule=line.rule,
                tariff_version=line.tariff_version,
                from_at_ms=line.from_at_ms,
                until_at_ms=line.until_at_ms,
                steps=line.steps,
                amount_minor=line.amount_minor,
            )
            for line in segment.lines
        ),
    )
