"""Commands: each is decided on the session as it stands now, wholly or not at all."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from billing_core.admission import (
    check_choice,
    check_place,
    check_sale,
    find_pack,
    find_tariff,
)
from billing_core.advance import bring_to, due_at_ms
from billing_core.charge import recompute
from billing_core.closing import cancel_session, end_session
from billing_core.commands import (
    CancelSession,
    Command,
    ConvertGuest,
    CreateSession,
    EndSession,
    ExtendSession,
    Recompute,
    StartSession,
    SwitchSessionDevice,
)
from billing_core.decision import Decision
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.extending import extend
from billing_core.moving import move
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import (
    COMMAND_TRANSITIONS,
    CommandKind,
    SessionState,
    SessionStatus,
)
from billing_core.starting import resume, start
from billing_core.tariff import BOUGHT_FIRST
from billing_core.terms import Terms


def decide(
    state: SessionState | None, command: Command, *, terms: Terms, now_ms: int
) -> Decision | Rejected:
    """What a command does to a session at ``now_ms``.

    The session is brought to ``now_ms`` first, and that is part of the decision. A rejection
    changes nothing at all, not even that: a tick will do it.
    """
    if isinstance(command, CreateSession):
        return _create(state, command, terms, now_ms=now_ms)
    if state is None:
        return Rejected(RejectionCode.SESSION_NOT_FOUND, "there is no such session", "session_id")
    draft = Draft(state, terms)
    bring_to(draft, now_ms)
    if isinstance(command, Recompute) and draft.is_over and not state.status.is_final:
        return draft.finish(None)
    rejected = _check_status(draft.status, command.kind)
    if rejected is None:
        rejected = _HANDLERS[type(command)](draft, command, now_ms)
    if rejected is not None:
        return rejected
    return draft.finish(due_at_ms(draft))


_FINISHED: Final = "the session is over"
_REFUSALS: Final[Mapping[tuple[SessionStatus, CommandKind], tuple[RejectionCode, str]]] = (
    MappingProxyType(
        {
            (SessionStatus.STARTED, CommandKind.START): (
                RejectionCode.SESSION_ALREADY_STARTED,
                "the session has started already",
            ),
            (SessionStatus.STARTED, CommandKind.CANCEL): (
                RejectionCode.SESSION_ALREADY_STARTED,
                "a session that has started can only be ended",
            ),
        }
    )
)


def _check_status(status: SessionStatus, kind: CommandKind) -> Rejected | None:
    if (status, kind) in COMMAND_TRANSITIONS:
        return None
    code, message = _REFUSALS.get((status, kind), (RejectionCode.SESSION_FINISHED, _FINISHED))
    return Rejected(code, message)


def _create(
    state: SessionState | None, command: CreateSession, terms: Terms, *, now_ms: int
) -> Decision | Rejected:
    if state is not None:
        message = f"session {command.session_id} exists"
        return Rejected(RejectionCode.SESSION_EXISTS, message, "session_id")
    rejected = _check_create(command, terms, now_ms)
    if rejected is not None:
        return rejected
    draft = Draft(_fresh(command, terms, now_ms), terms)
    draft.emit(
        EventKind.SESSION_CREATED,
        now_ms,
        pc_id=command.pc_id,
        zone_id=command.zone_id,
        tariff_id=command.tariff.id,
        tariff_version=command.tariff.version,
        player_id=command.player_id,
        planned_start_at_ms=draft.before.planned_start_at_ms,
    )
    if command.start:
        refused = start(draft, now_ms)
        if refused is not None:
            return refused
    bring_to(draft, now_ms)
    return draft.finish(due_at_ms(draft))


def _check_create(command: CreateSession, terms: Terms, now_ms: int) -> Rejected | None:
    tariff = find_tariff(command.tariff, terms)
    if isinstance(tariff, Rejected):
        return tariff
    planned_ms = now_ms if command.planned_start_at_ms is None else command.planned_start_at_ms
    if command.planned_end_at_ms is not None and command.planned_end_at_ms <= planned_ms:
        message = "the planned end is not after the planned start"
        return Rejected(RejectionCode.PLANNED_TIME_INVALID, message, "planned_end_at_ms")
    rejected = check_choice(tariff, terms, command.mode)
    if rejected is None and command.player_tariff_id is None and tariff.type not in BOUGHT_FIRST:
        rejected = check_sale(tariff, terms, command.channel, at_ms=now_ms)
    if rejected is not None:
        return rejected
    pack = find_pack(tariff, command.player_tariff_id, terms, session_id=command.session_id)
    if isinstance(pack, Rejected):
        return pack
    return check_place(terms, planned_ms, planned_ms)


def _fresh(command: CreateSession, terms: Terms, now_ms: int) -> SessionState:
    planned_ms = now_ms if command.planned_start_at_ms is None else command.planned_start_at_ms
    pack = terms.player_tariff(command.player_tariff_id or "")
    return SessionState(
        session_id=command.session_id,
        club_id=command.club_id,
        currency=terms.club.currency,
        player_id=command.player_id,
        guest_label=command.guest_label,
        status=SessionStatus.PENDING,
        mode=command.mode,
        tariff=command.tariff,
        player_tariff_id=command.player_tariff_id,
        pc_id=command.pc_id,
        zone_id=command.zone_id,
        created_at_ms=now_ms,
        planned_start_at_ms=max(planned_ms, now_ms),
        planned_end_at_ms=command.planned_end_at_ms,
        groups=terms.groups,
        device_links=(),
        order_id=None if pack is None else pack.order_id,
        guest_card_minor=command.guest_card_minor,
    )


def _start(draft: Draft, _command: StartSession, now_ms: int) -> Rejected | None:
    return start(draft, now_ms)


def _end(draft: Draft, command: EndSession, now_ms: int) -> Rejected | None:
    end_session(draft, now_ms, command.reason)
    return None


def _cancel(draft: Draft, _command: CancelSession, now_ms: int) -> Rejected | None:
    cancel_session(draft, now_ms)
    return None


def _extend(draft: Draft, command: ExtendSession, now_ms: int) -> Rejected | None:
    return extend(draft, command, now_ms)


def _move(draft: Draft, command: SwitchSessionDevice, now_ms: int) -> Rejected | None:
    return move(draft, command, now_ms)


def _convert(draft: Draft, command: ConvertGuest, now_ms: int) -> Rejected | None:
    if draft.before.player_id is not None:
        message = "the session belongs to a player already"
        return Rejected(RejectionCode.ALREADY_A_PLAYER, message, "player_id")
    draft.player_id = command.player_id
    draft.emit(EventKind.GUEST_CONVERTED, now_ms, player_id=command.player_id)
    return None


def _recompute(draft: Draft, _command: Recompute, now_ms: int) -> Rejected | None:
    if draft.segment is not None:
        recompute(draft, now_ms)
    elif draft.status is SessionStatus.STARTED:
        resume(draft, now_ms)
    return None


_HANDLERS: Final[Mapping[type, Callable[[Draft, Any, int], Rejected | None]]] = MappingProxyType(
    {
        StartSession: _start,
        ExtendSession: _extend,
        SwitchSessionDevice: _move,
        EndSession: _end,
        CancelSession: _cancel,
        ConvertGuest: _convert,
        Recompute: _recompute,
    }
)
