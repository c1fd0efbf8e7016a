"""Which tariff goes on when the current one is over."""

from collections.abc import Iterator
from dataclasses import dataclass

from billing_core.player_tariff import PlayerTariff, PlayerTariffStatus, expires_at_ms
from billing_core.pricing import Run, piece_at
from billing_core.tariff import Tariff, TariffStatus, TariffType
from billing_core.terms import Terms
from billing_core.window import is_open


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tariff to go on with; ``pack`` None is paid from the wallet."""

    tariff: Tariff
    pack: PlayerTariff | None


def usable_pack(owned: PlayerTariff, terms: Terms, *, session_id: str, at_ms: int) -> bool:
    """Whether a session may draw from a bought tariff at an instant, in ``terms.zone``."""
    tariff = terms.tariffs.get(owned.tariff)
    if tariff is None or owned.status is not PlayerTariffStatus.OPEN:
        return False
    if owned.session_id not in (None, session_id) or not terms.zone.sells(tariff.id):
        return False
    if owned.remaining_ms == 0 or owned.remaining_sessions == 0:
        return False
    expiry_ms = expires_at_ms(owned, tariff, terms.club.timezone)
    if expiry_ms is not None and expiry_ms <= at_ms:
        return False
    return startable(tariff, terms, at_ms)


def startable(tariff: Tariff, terms: Terms, at_ms: int) -> bool:
    """Whether the usage schedule and the price table let a run begin at an instant."""
    if not is_open(tariff.usage.start, terms.club.timezone, at_ms):
        return False
    run = Run(tariff, terms.club.timezone, terms.zone.zone_id, terms.groups, at_ms)
    return piece_at(run, at_ms) is not None


def candidates(terms: Terms, *, session_id: str, at_ms: int) -> Iterator[Candidate]:
    """What auto-renewal may go on with at ``at_ms``, best first.

    Bought tariffs by priority, then earliest expiry, then earliest purchase; then, if the club
    allows it, the zone's default per-minute tariff from the wallet.
    """
    fitting = [
        owned
        for owned in terms.player_tariffs
        if usable_pack(owned, terms, session_id=session_id, at_ms=at_ms)
    ]
    for owned in sorted(fitting, key=lambda owned: _rank(owned, terms)):
        yield Candidate(terms.tariffs[owned.tariff], owned)
    if terms.club.renews_from_wallet:
        tariff = default_per_minute(terms)
        if tariff is not None and startable(tariff, terms, at_ms):
            yield Candidate(tariff, None)


def _rank(owned: PlayerTariff, terms: Terms) -> tuple[int, bool, int, int, str]:
    tariff = terms.tariffs[owned.tariff]
    expiry_ms = expires_at_ms(owned, tariff, terms.club.timezone)
    return (
        -tariff.priority,
        expiry_ms is None,
        expiry_ms or 0,
        owned.bought_at_ms,
        owned.player_tariff_id,
    )


def default_per_minute(terms: Terms) -> Tariff | None:
    """The newest active version of the zone's default tariff, if that is a per-minute one."""
    versions = [
        tariff
        for tariff in terms.tariffs.values()
        if tariff.id == terms.zone.default_tariff_id
        and tariff.type is TariffType.PER_MINUTE
        and tariff.status is TariffStatus.ACTIVE
    ]
    return max(versions, key=lambda tariff: tariff.version, default=None)
