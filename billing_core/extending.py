"""Extensions: a tariff appended after what is covered, trimmed to the time there is."""

from dataclasses import replace

from billing_core.admission import (
    LEAST_TIME_MS,
    check_choice,
    check_sale,
    find_pack,
    find_tariff,
)
from billing_core.charge import recompute
from billing_core.commands import ExtendSession
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.limits import place_limit
from billing_core.money import share_half_up
from billing_core.player_tariff import PlayerTariff
from billing_core.purchase import block_price_minor, buy_block
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import Extension, SessionMode, SessionStatus
from billing_core.starting import resume
from billing_core.tariff import Tariff, TariffType
from billing_core.terms import Terms

EXTENSIONS_MAX = 8


def extend(draft: Draft, command: ExtendSession, now_ms: int) -> Rejected | None:
    """Append; a fixed block is bought now, a per-minute tariff is charged when it begins."""
    tariff = find_tariff(command.tariff, draft.terms)
    if isinstance(tariff, Rejected):
        return tariff
    pack = find_pack(
        tariff, command.player_tariff_id, draft.terms, session_id=draft.before.session_id
    )
    if isinstance(pack, Rejected):
        return pack
    rejected = _check_free(draft, pack) or check_choice(tariff, draft.terms, SessionMode.PREPAID)
    if rejected is None and pack is None:
        rejected = check_sale(tariff, draft.terms, command.channel, at_ms=now_ms)
    if rejected is None:
        rejected = _check_need(draft, now_ms)
    if rejected is not None:
        return rejected
    held = _held(draft, tariff, pack, now_ms=now_ms)
    if isinstance(held, Rejected):
        return held
    draft.append(Extension(tariff.ref, held))
    return _take_effect(draft, tariff, now_ms)


def _check_free(draft: Draft, pack: PlayerTariff | None) -> Rejected | None:
    """A pack this session plays or waits for already cannot be appended once more."""
    if pack is None:
        return None
    held = [segment.player_tariff_id for segment in draft.segments[-1:] if not segment.end_at_ms]
    held += [one.pack.player_tariff_id for one in draft.extensions if one.pack is not None]
    if draft.status is not SessionStatus.STARTED:
        held.append(draft.before.player_tariff_id)
    if pack.player_tariff_id in held:
        message = "the session holds this tariff already"
        return Rejected(RejectionCode.PLAYER_TARIFF_IN_USE, message, "player_tariff_id")
    return None


def _take_effect(draft: Draft, tariff: Tariff, now_ms: int) -> Rejected | None:
    before_ms = None if draft.coverage is None else draft.coverage.until_ms
    if draft.segment is not None:
        recompute(draft, now_ms)
    elif draft.status is SessionStatus.STARTED and not resume(draft, now_ms):
        return Rejected(RejectionCode.INSUFFICIENT_FUNDS, f"{tariff.name} covers nothing now")
    after_ms = None if draft.coverage is None else draft.coverage.until_ms
    if draft.status is SessionStatus.STARTED and after_ms == before_ms:
        message = f"{tariff.name} would not extend the session"
        return Rejected(RejectionCode.EXTENSION_NOT_NEEDED, message, "tariff")
    draft.emit(
        EventKind.SESSION_EXTENDED,
        now_ms,
        tariff_id=tariff.id,
        tariff_version=tariff.version,
        until_ms=after_ms,
    )
    return None


def _check_need(draft: Draft, now_ms: int) -> Rejected | None:
    if len(draft.extensions) >= EXTENSIONS_MAX:
        message = f"no more than {EXTENSIONS_MAX} tariffs may wait"
        return Rejected(RejectionCode.EXTENSION_LIMIT, message)
    if draft.before.mode is SessionMode.OPEN_ENDED:
        message = "a post-pay session goes on by itself"
        return Rejected(RejectionCode.EXTENSION_NOT_NEEDED, message)
    available_ms = _available_ms(draft, now_ms)
    if available_ms is not None and available_ms < LEAST_TIME_MS:
        booking_ms = draft.terms.next_booking_at_ms
        by_booking = booking_ms is not None and booking_ms <= _end_ms(draft, now_ms) + available_ms
        code = RejectionCode.BOOKING_TOO_CLOSE if by_booking else RejectionCode.CLUB_CLOSED
        return Rejected(code, "less than a minute remains before this PC is needed or closes")
    return None


def _end_ms(draft: Draft, now_ms: int) -> int:
    """Where an extension would begin: after what is covered, or booked."""
    coverage, before = draft.coverage, draft.before
    if coverage is None or coverage.until_ms is None:
        return max(now_ms, before.planned_end_at_ms or before.planned_start_at_ms)
    return max(now_ms, coverage.until_ms)


def _available_ms(draft: Draft, now_ms: int) -> int | None:
    """Time between the end of coverage and the PC's next booking or a closing time."""
    end_ms = _end_ms(draft, now_ms)
    start_ms = end_ms if draft.actual_start_at_ms is None else draft.actual_start_at_ms
    limit = place_limit(draft.terms, start_ms, max(now_ms, end_ms - 1))
    return None if limit is None else max(0, limit.at_ms - end_ms)


def _held(
    draft: Draft, tariff: Tariff, pack: PlayerTariff | None, *, now_ms: int
) -> PlayerTariff | Rejected | None:
    """The pack the extension will draw from, held for this session."""
    if pack is not None:
        held = replace(pack, session_id=draft.before.session_id)
        draft.packs[held.player_tariff_id] = held
        return held
    if tariff.type is not TariffType.FIXED:
        return None
    price_minor, total_ms = _trimmed(draft, tariff, draft.terms, now_ms=now_ms)
    return buy_block(draft, tariff, price_minor=price_minor, at_ms=now_ms, total_ms=total_ms)


def _trimmed(draft: Draft, tariff: Tariff, terms: Terms, *, now_ms: int) -> tuple[int, int | None]:
    """(price, length) of a block that fits before the next booking or closing time."""
    price_minor = block_price_minor(tariff, terms, _end_ms(draft, now_ms))
    available_ms = _available_ms(draft, now_ms)
    whole_ms = tariff.pool_ms
    if whole_ms is None or available_ms is None or available_ms >= whole_ms:
        return price_minor, None
    return share_half_up(price_minor, available_ms, whole_ms), available_ms
