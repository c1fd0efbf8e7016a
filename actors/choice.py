"""Which tariff a session runs on: the one named, the one bought, or the zone's own choice."""

from actors.club_setup import ClubSetup
from actors.refusal import Refusal
from billing_core.tariff import BOUGHT_FIRST, TariffRef, TariffStatus
from billing_core.terms import Terms


def chosen_tariff(
    setup: ClubSetup, terms: Terms, *, tariff_id: str | None, player_tariff_id: str | None
) -> TariffRef | Refusal:
    """A bought tariff brings its version; a named one is taken at its newest.

    With neither, the first tariff of the zone that is meant for one of the player's groups,
    else the zone's default.
    """
    if player_tariff_id is not None:
        owned = terms.player_tariff(player_tariff_id)
        if owned is None or tariff_id not in (None, owned.tariff.id):
            message = f"the player has no such tariff {player_tariff_id}"
            return Refusal("player-tariff-not-found", message, "player_tariff_id")
        return owned.tariff
    wanted = tariff_id or _of_groups(setup, terms) or terms.zone.default_tariff_id
    found = None if wanted is None else setup.newest.get(wanted)
    if found is None:
        message = "name a tariff" if wanted is None else f"no tariff {wanted}"
        return Refusal("tariff-not-found", message, "tariff_id")
    return found


def _of_groups(setup: ClubSetup, terms: Terms) -> str | None:
    groups = set(terms.groups)
    offered = [
        tariff
        for tariff in (setup.tariffs[ref] for ref in setup.newest.values())
        if groups.intersection(tariff.groups)
        and tariff.status is TariffStatus.ACTIVE
        and tariff.type not in BOUGHT_FIRST
        and terms.zone.sells(tariff.id)
    ]
    best = min(offered, key=lambda tariff: (-tariff.priority, tariff.id), default=None)
    return None if best is None else best.id
