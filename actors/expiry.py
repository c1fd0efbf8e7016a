"""Bought time that expires with nobody there: what was deferred of it is earned.

A pack in play expires with its session. The others are found when their holder's purchases are
looked at for anything else, and once a day among all holders of the chain.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from actors.bought import read_bought
from actors.club import ClubSupervisor
from actors.club_setup import ClubSetup
from actors.drafting import Drafting
from actors.store import StoredEntity
from actors.workspace import BOUGHT_KEY_PREFIX
from billing_core.order import OrderContext, Settled, lapse
from billing_core.player_tariff import PlayerTariff

LOOK_EVERY_MS: Final = 24 * 3_600_000
"""Expired money is earned at most so much later; nobody can play or refund it meanwhile."""
LOOK_ON_MS: Final = 1_000
"""Between two pages of one look, so that no tick waits for it."""

log = structlog.get_logger(__name__)


def lapse_expired(drafting: Drafting, setup: ClubSetup, *, now_ms: int) -> None:
    """Close what has expired of this club's sales to the holders this draft has looked at."""
    names = [name for name in drafting.documents_read if name.startswith(BOUGHT_KEY_PREFIX)]
    for holder_id in (name.removeprefix(BOUGHT_KEY_PREFIX) for name in names):
        gone = list(_lapsed(drafting.bought(holder_id), setup, now_ms=now_ms))
        if gone:
            drafting.put_bought(holder_id, [one.player_tariff for one in gone if one.player_tariff])
        moved = (transaction for one in gone for transaction in one.transactions)
        drafting.transactions += [one for one in moved if one.entries]


def _lapsed(owned: Iterable[PlayerTariff], setup: ClubSetup, *, now_ms: int) -> Iterable[Settled]:
    for pack in owned:
        tariff = setup.tariffs.get(pack.tariff)
        if tariff is None or pack.club_id != setup.club.club_id:
            continue
        asking = OrderContext(f"lapse/{pack.player_tariff_id}", now_ms, pack.holder_id)
        settled = lapse(pack, tariff, setup.terms, context=asking)
        if settled is not None:
            yield settled


def holders_with_expired(
    documents: Iterable[StoredEntity], clubs: Mapping[str, ClubSupervisor], *, now_ms: int
) -> list[str]:
    """Holders of whose purchases at these clubs something has expired, of all documents."""
    found = []
    for document in documents:
        if not any(club_id.encode() in document.blob for club_id in clubs):
            continue
        try:
            owned = read_bought(document.blob)
        except (KeyError, TypeError, ValueError) as error:
            # Whoever has to decide on it will say so; the others' are looked at all the same.
            log.warning("unreadable_purchases", key=document.key, reason=repr(error))
            continue
        if any(any(_lapsed(owned, one.setup, now_ms=now_ms)) for one in clubs.values()):
            found.append(document.key.removeprefix(BOUGHT_KEY_PREFIX))
    return found
