"""What must hold before a tariff may begin: each check is a value, the first refusal wins."""

from typing import Final

from billing_core.limits import closing_ms, place_limit
from billing_core.money import MS_PER_MINUTE
from billing_core.player_tariff import PlayerTariff, PlayerTariffStatus, expires_at_ms
from billing_core.pricing import Run, piece_at
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import SessionMode
from billing_core.tariff import BOUGHT_FIRST, Channel, Tariff, TariffRef, TariffStatus, TariffType
from billing_core.terms import Terms
from billing_core.window import is_open

LEAST_TIME_MS: Final = MS_PER_MINUTE
"""Less than this before a booking or a closing time is not worth starting or extending."""


def find_tariff(ref: TariffRef, terms: Terms) -> Tariff | Rejected:
    """The tariff a command names."""
    tariff = terms.tariffs.get(ref)
    if tariff is None:
        message = f"there is no tariff {ref.id} version {ref.version}"
        return Rejected(RejectionCode.TARIFF_NOT_FOUND, message, "tariff")
    if tariff.currency != terms.club.currency:
        message = f"{tariff.name} is priced in {tariff.currency}, the club in {terms.club.currency}"
        return Rejected(RejectionCode.TARIFF_OTHER_CURRENCY, message, "tariff")
    return tariff


def check_choice(tariff: Tariff, terms: Terms, mode: SessionMode) -> Rejected | None:
    """May a session in this zone be planned on this tariff."""
    if tariff.status is not TariffStatus.ACTIVE:
        message = f"{tariff.name} is {tariff.status.value.lower()}"
        return Rejected(RejectionCode.TARIFF_NOT_ACTIVE, message, "tariff")
    if not terms.zone.sells(tariff.id):
        message = f"{tariff.name} is not offered in zone {terms.zone.zone_id}"
        return Rejected(RejectionCode.TARIFF_NOT_IN_ZONE, message, "tariff")
    if mode is SessionMode.OPEN_ENDED and tariff.type is not TariffType.PER_MINUTE:
        message = "a post-pay session needs a per-minute tariff"
        return Rejected(RejectionCode.TARIFF_NOT_POST_PAY, message, "tariff")
    return None


def check_sale(tariff: Tariff, terms: Terms, channel: Channel, *, at_ms: int) -> Rejected | None:
    """May the tariff be bought now, through this channel."""
    if tariff.status is not TariffStatus.ACTIVE:
        message = f"{tariff.name} is {tariff.status.value.lower()}"
        return Rejected(RejectionCode.TARIFF_NOT_ACTIVE, message, "tariff")
    if tariff.sales.channels and channel not in tariff.sales.channels:
        message = f"{tariff.name} is not sold through {channel.value}"
        return Rejected(RejectionCode.TARIFF_NOT_IN_CHANNEL, message, "tariff")
    if not is_open(tariff.sales.when, terms.club.timezone, at_ms):
        message = f"{tariff.name} is not on sale at this time"
        return Rejected(RejectionCode.TARIFF_NOT_ON_SALE, message, "tariff")
    return None


def check_place(terms: Terms, start_at_ms: int, at_ms: int) -> Rejected | None:
    """Is there time here: club and zone open, no booking at the door, zone limit not reached."""
    timezone = terms.club.timezone
    if closing_ms(terms.club.opening, timezone, at_ms) == at_ms:
        return Rejected(RejectionCode.CLUB_CLOSED, "the club is closed at this time")
    if closing_ms(terms.zone.opening, timezone, at_ms) == at_ms:
        message = f"zone {terms.zone.zone_id} is closed at this time"
        return Rejected(RejectionCode.ZONE_CLOSED, message)
    booking_ms = terms.next_booking_at_ms
    if booking_ms is not None and booking_ms - at_ms < LEAST_TIME_MS:
        message = "less than a minute remains before the next booking of this PC"
        return Rejected(RejectionCode.BOOKING_TOO_CLOSE, message)
    limit = place_limit(terms, start_at_ms, at_ms)
    if limit is not None and limit.at_ms <= at_ms:
        return Rejected(RejectionCode.ZONE_LIMIT_REACHED, "the zone's longest session is reached")
    return None


def check_usable(
    tariff: Tariff, pack: PlayerTariff | None, terms: Terms, *, at_ms: int
) -> Rejected | None:
    """May a run on this tariff begin now: schedule, price table, what is left of a pack."""
    if not is_open(tariff.usage.start, terms.club.timezone, at_ms):
        message = f"{tariff.name} cannot be started at this time"
        return Rejected(RejectionCode.TARIFF_NOT_USABLE_NOW, message, "tariff")
    run = Run(tariff, terms.club.timezone, terms.zone.zone_id, terms.groups, at_ms)
    if piece_at(run, at_ms) is None:
        message = f"{tariff.name} has no price here for this player at this time"
        return Rejected(RejectionCode.TARIFF_HAS_NO_PRICE, message, "tariff")
    if pack is not None:
        return _check_pack(pack, tariff, terms, at_ms=at_ms)
    return None


def _check_pack(pack: PlayerTariff, tariff: Tariff, terms: Terms, *, at_ms: int) -> Rejected | None:
    expiry_ms = expires_at_ms(pack, tariff, terms.club.timezone)
    if pack.status is PlayerTariffStatus.EXPIRED or (expiry_ms is not None and expiry_ms <= at_ms):
        message = f"{tariff.name} has expired"
        return Rejected(RejectionCode.PLAYER_TARIFF_EXPIRED, message, "player_tariff_id")
    nothing_left = pack.remaining_ms == 0 or pack.remaining_sessions == 0
    if pack.status is not PlayerTariffStatus.OPEN or nothing_left:
        message = f"nothing is left of {tariff.name}"
        return Rejected(RejectionCode.PLAYER_TARIFF_USED_UP, message, "player_tariff_id")
    return None


def find_pack(
    tariff: Tariff, player_tariff_id: str | None, terms: Terms, *, session_id: str
) -> PlayerTariff | Rejected | None:
    """The bought tariff a session is to draw from; None when it is paid from the wallet."""
    if player_tariff_id is None:
        if tariff.type in BOUGHT_FIRST:
            message = f"{tariff.name} is bought before it is played"
            return Rejected(RejectionCode.TARIFF_NEEDS_PURCHASE, message, "player_tariff_id")
        return None
    pack = terms.player_tariff(player_tariff_id)
    if pack is None or pack.tariff != tariff.ref:
        message = f"the player has no such tariff {player_tariff_id}"
        return Rejected(RejectionCode.PLAYER_TARIFF_NOT_FOUND, message, "player_tariff_id")
    if pack.session_id not in (None, session_id):
        message = f"{tariff.name} is in use by another session"
        return Rejected(RejectionCode.PLAYER_TARIFF_IN_USE, message, "player_tariff_id")
    return pack
