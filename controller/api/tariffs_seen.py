"""Which of a chain's tariffs are the caller's to know of."""

from collections.abc import Mapping

from billing_core.tariff import Tariff, TariffStatus
from controller.api.directory import ChainDirectory
from controller.api.principal import Principal


def sees_drafts(principal: Principal) -> bool:
    """Whether the caller may know what is not published yet."""
    return principal.club_ids is None and principal.player_id is None


def is_shown(tariff: Tariff, principal: Principal) -> bool:
    """Whether a tariff is the caller's to know of: a player sees what is for sale to players."""
    if principal.player_id is None:
        return True
    channels = tariff.sales.channels
    sold_here = not channels or principal.channel.value in channels
    return tariff.status is TariffStatus.ACTIVE and sold_here


def sold_in(directory: ChainDirectory, principal: Principal, zone_id: str) -> frozenset[str]:
    """What a zone sells; nothing where there is none the caller may know of."""
    zone = directory.every_zone.get(zone_id)
    if zone is None or not principal.sees_club(zone.club_id):
        return frozenset()
    return frozenset(directory.sold_in(zone))


def tariffs_seen(directory: ChainDirectory, principal: Principal) -> Mapping[str, Tariff]:
    """Newest versions of what is sold where the caller may look; all for the whole chain."""
    if principal.player_id is not None:
        return {name: one for name, one in directory.tariffs.items() if is_shown(one, principal)}
    if principal.club_ids is None:
        return directory.tariffs
    zones = [zone for zone in directory.every_zone.values() if principal.sees_club(zone.club_id)]
    sold = {tariff_id for zone in zones for tariff_id in directory.sold_in(zone)}
    return {name: tariff for name, tariff in directory.tariffs.items() if name in sold}
