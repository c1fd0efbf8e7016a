"""The chain that is simulated: two clubs in two shards, six PCs, players with one wallet each."""

from dataclasses import dataclass
from typing import Final

import orjson

from actors.placement import shard_of_club
from actors.store import ShardId
from actors.store_memory import MemoryStore
from billing_core.tariff import PriceRule, RefundPolicy, Tariff, TariffType, Tier
from controller.simulation.virtual_loop import at_once
from schemas.catalogue import (
    ChainDocument,
    ClubDocument,
    PcDocument,
    PlayerDocument,
    ZoneDocument,
)

CURRENCY: Final = "EUR"
CLUBS: Final = ("north", "south")
ZONES: Final = {"main": 2, "vip": 1}
"""Zone -> PCs in it, in each club."""
PRICE_PER_HOUR_MINOR: Final = {"main": 120_00, "vip": 250_00}
STANDARD: Final = "standard"
BLOCK: Final = "block"
PLAYERS: Final = ("ann", "bob", "cat")

_TARIFFS: Final = (
    Tariff(
        id=STANDARD,
        version=1,
        name="Standard",
        currency=CURRENCY,
        type=TariffType.PER_MINUTE,
        prices=(
            PriceRule(
                "VIP",
                zones=tuple(f"{club}-vip" for club in CLUBS),
                tiers=(Tier(0, PRICE_PER_HOUR_MINOR["vip"]),),
            ),
            PriceRule("day", tiers=(Tier(0, PRICE_PER_HOUR_MINOR["main"]),)),
        ),
    ),
    Tariff(
        id=BLOCK,
        version=1,
        name="Half an hour",
        currency=CURRENCY,
        type=TariffType.FIXED,
        price_minor=50_00,
        block_minutes=30,
        refund=RefundPolicy.CASH,
    ),
)


@dataclass(frozen=True, slots=True)
class Seat:
    """A PC and where it stands."""

    club_id: str
    zone: str
    pc_id: str


SEATS: Final = tuple(
    Seat(club, zone, f"{club}-{zone}-{number}")
    for club in CLUBS
    for zone, count in ZONES.items()
    for number in range(count)
)
ZONE_OF_PC: Final = {seat.pc_id: seat.zone for seat in SEATS}


def shards(chain_id: str) -> tuple[ShardId, ...]:
    """The shards of the clubs."""
    return tuple(sorted({shard_of_club(chain_id, club) for club in CLUBS}))


def settle(store: MemoryStore, chain_id: str, *, parallel_sessions: bool) -> None:
    """Put the chain and its players into a store."""
    documents: dict[str, bytes] = {
        "chain": _json(ChainDocument(chain_id=chain_id, name="Orbit")),
    }
    for club in CLUBS:
        documents[f"club:{club}"] = _json(
            ClubDocument(
                club_id=club,
                name=club.title(),
                timezone="Europe/Berlin",
                currency=CURRENCY,
                terms={"allows_parallel_sessions": parallel_sessions},
            )
        )
        for zone in ZONES:
            zone_id = f"{club}-{zone}"
            document = ZoneDocument(zone_id=zone_id, club_id=club, name=zone.title())
            documents[f"zone:{zone_id}"] = _json(document)
    for seat in SEATS:
        zone_id = f"{seat.club_id}-{seat.zone}"
        pc = PcDocument(pc_id=seat.pc_id, club_id=seat.club_id, zone_id=zone_id, name=seat.pc_id)
        documents[f"pc:{seat.pc_id}"] = _json(pc)
    for tariff in _TARIFFS:
        documents[f"tariff:{tariff.id}:{tariff.version}"] = orjson.dumps(tariff)
    at_once(store.put(chain_id, documents))
    players = {f"player:{name}": _json(_player(name)) for name in PLAYERS}
    at_once(store.add_documents(chain_id, players))


def _player(name: str) -> PlayerDocument:
    return PlayerDocument(player_id=name, label=name.title())


def _json(
    document: ChainDocument | ClubDocument | ZoneDocument | PcDocument | PlayerDocument,
) -> bytes:
    return document.model_dump_json().encode()
