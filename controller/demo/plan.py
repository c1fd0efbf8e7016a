"""The chain of the demo: two clubs in two time zones and currencies, their zones, PCs and people.

The same counts and the same seed give the same chain, so a second start finds its own.
"""

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Final

CHAIN_ID: Final = "nightshift"
CHAIN_NAME: Final = "Nightshift"
STANDARD_SHARE: Final = 0.7
MINUTES_PER_HOUR: Final = 60

_FIRST: Final = (
    "Amber", "Brisk", "Cobalt", "Dusty", "Electric", "Frosty", "Golden", "Hasty", "Iron", "Jolly",
    "Lucky", "Mellow", "Neon", "Quiet", "Rapid", "Silver", "Tiny", "Velvet", "Wild", "Zesty",
)  # fmt: skip
_SECOND: Final = (
    "Badger", "Comet", "Drake", "Falcon", "Ghost", "Hawk", "Ibex", "Jackal", "Koala", "Lynx",
    "Mantis", "Otter", "Panda", "Raven", "Shark", "Tiger", "Viper", "Walrus", "Wolf", "Yak",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BlockOffer:
    """A block of time at a flat price, which depends on the zone."""

    tariff_id: str
    name: str
    minutes: int
    prices: tuple[tuple[str, int], ...]

    def price_minor(self, zone_id: str) -> int:
        """The price in a zone. Raises KeyError for a zone that does not sell it."""
        return dict(self.prices)[zone_id]


@dataclass(frozen=True, slots=True)
class ZoneRates:
    """Per-minute prices of a zone: by day and in the evening, per hour in minor units."""

    zone_id: str
    name: str
    day_per_hour_minor: int
    evening_per_hour_minor: int


@dataclass(frozen=True, slots=True)
class ClubPlan:
    """One club: where it is, what it sells, which PCs it has (PC id -> zone id)."""

    club_id: str
    name: str
    timezone: str
    currency: str
    zones: tuple[ZoneRates, ...]
    minute_tariff_id: str
    blocks: tuple[BlockOffer, ...]
    zone_of_pc: dict[str, str]

    def rate(self, zone_id: str) -> int:
        """The dearest per-minute price of a zone, per hour: what a careful player brings."""
        for zone in self.zones:
            if zone.zone_id == zone_id:
                return max(zone.day_per_hour_minor, zone.evening_per_hour_minor)
        raise KeyError(zone_id)

    @property
    def shortest_block(self) -> BlockOffer:
        """What somebody extends with."""
        return min(self.blocks, key=lambda block: block.minutes)


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody with a wallet. ``player_id`` is stable for the same count and seed."""

    player_id: str
    label: str
    phone: str


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """The whole chain."""

    clubs: tuple[ClubPlan, ...]
    players: tuple[Player, ...]

    @property
    def roster(self) -> tuple[tuple[str, str], ...]:
        """(club id, PC id) of every PC."""
        return tuple((club.club_id, pc_id) for club in self.clubs for pc_id in club.zone_of_pc)


def demo_plan(*, pcs: int, players: int, seed: int) -> DemoPlan:
    """The demo's chain with ``pcs`` PCs over two clubs and ``players`` people."""
    if pcs < 2:
        raise ValueError("the demo needs at least 2 PCs, one for each club")
    first = pcs - pcs // 2
    clubs = (
        _club(
            "kreuzberg",
            f"{CHAIN_NAME} Kreuzberg",
            timezone="Europe/Berlin",
            currency="EUR",
            minor_per_hour=240,
            pcs=first,
        ),
        _club(
            "almaty",
            f"{CHAIN_NAME} Almaty",
            timezone="Asia/Almaty",
            currency="KZT",
            minor_per_hour=90_000,
            pcs=pcs - first,
        ),
    )
    return DemoPlan(clubs, _people(players, seed))


def _club(
    club_id: str, name: str, *, timezone: str, currency: str, minor_per_hour: int, pcs: int
) -> ClubPlan:
    standard = ZoneRates(f"{club_id}-standard", "Standard", minor_per_hour, minor_per_hour * 5 // 4)
    vip = ZoneRates(f"{club_id}-vip", "VIP", minor_per_hour * 3 // 2, minor_per_hour * 2)
    blocks = tuple(
        BlockOffer(
            f"{club_id}-{suffix}",
            title,
            minutes,
            tuple(
                (zone.zone_id, _block_price(zone.day_per_hour_minor, minutes))
                for zone in (standard, vip)
            ),
        )
        for suffix, title, minutes in (
            ("quick", "Quick 30", 30),
            ("hour", "One hour", 60),
            ("three-hours", "Three hours", 180),
        )
    )
    return ClubPlan(
        club_id=club_id,
        name=name,
        timezone=timezone,
        currency=currency,
        zones=(standard, vip),
        minute_tariff_id=f"{club_id}-minute",
        blocks=blocks,
        zone_of_pc=_seats(club_id, pcs, standard.zone_id, vip_zone_id=vip.zone_id),
    )


def _block_price(per_hour_minor: int, minutes: int) -> int:
    """What the clock would cost by day; long blocks are a tenth cheaper."""
    full = per_hour_minor * minutes // MINUTES_PER_HOUR
    return full if minutes <= MINUTES_PER_HOUR else full * 9 // 10


def _seats(club_id: str, pcs: int, standard_zone_id: str, *, vip_zone_id: str) -> dict[str, str]:
    standard = max(1, round(pcs * STANDARD_SHARE))
    return {
        f"{club_id}-{number:03d}": standard_zone_id if number <= standard else vip_zone_id
        for number in range(1, pcs + 1)
    }


def _people(count: int, seed: int) -> tuple[Player, ...]:
    names = [f"{first} {second}" for first, second in product(_FIRST, _SECOND)]
    Random(seed).shuffle(names)  # noqa: S311 - names of imaginary people
    return tuple(
        Player(
            player_id=f"player-{number:04d}",
            label=names[number % len(names)] + _generation(number // len(names)),
            phone=f"+49 30 555 {number:04d}",
        )
        for number in range(count)
    )


def _generation(nth: int) -> str:
    return "" if nth == 0 else f" {nth + 1}"
