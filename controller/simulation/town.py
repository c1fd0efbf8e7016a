"""The chain that is simulated: two clubs in two shards, six PCs, players with one wallet each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from actors.placement import shard_of_club
from actors.store import ShardId
from actors.store_memory import MemoryStore
from billing_core.plain import tariff_to_dict
from controller.simulation.tariffs import CURRENCY, STANDARD, TARIFFS
from controller.simulation.virtual_loop import at_once
from schemas.catalogue import (
    ChainDocument,
    ClubDocument,
    CreditLimit,
    PcDocument,
    PlayerDocument,
    ZoneDocument,
)

CLUBS: Final = ("north", "south")
ZONES: Final = {"main": 2, "vip": 1}
"""Zone -> PCs in it, in each club."""
PLAYERS: Final = ("ann", "bob", "cat")
STAYER: Final = "dan"
"""A player who sits down and stays."""


@dataclass(frozen=True, slots=True)
class Customs:
    """How the clubs do things, who renews by himself, and who may owe how much: ``auto_renewal``
    names players, ``credit_minor`` has their limits."""

    parallel_sessions: bool = False
    renews_from_wallet: bool = False
    players_pay_later: bool = False
    grace_seconds: int = 0
    no_show_minutes: int | None = None
    auto_renewal: frozenset[str] = frozenset()
    outages: str = "CONTINUE"
    credit_max_minutes: int = 180
    credit_minor: Mapping[str, int] = field(default_factory=dict)

    def terms(self) -> dict[str, object]:
        """As a club's document has them."""
        return {
            "allows_parallel_sessions": self.parallel_sessions,
            "renews_from_wallet": self.renews_from_wallet,
            "players_pay_later": self.players_pay_later,
            "grace_seconds": self.grace_seconds,
            "no_show_minutes": self.no_show_minutes,
            "outages": self.outages,
            "credit_max_minutes": self.credit_max_minutes,
        }


PLAIN: Final = Customs()


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
CLUB_OF_PC: Final = {seat.pc_id: seat.club_id for seat in SEATS}


def shards(chain_id: str) -> tuple[ShardId, ...]:
    """The shards of the clubs."""
    return tuple(sorted({shard_of_club(chain_id, club) for club in CLUBS}))


def settle(store: MemoryStore, chain_id: str, customs: Customs) -> None:
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
                terms=customs.terms(),
            )
        )
        for zone in ZONES:
            zone_id = f"{club}-{zone}"
            document = ZoneDocument(
                zone_id=zone_id, club_id=club, name=zone.title(), default_tariff_id=STANDARD
            )
            documents[f"zone:{zone_id}"] = _json(document)
    for seat in SEATS:
        zone_id = f"{seat.club_id}-{seat.zone}"
        pc = PcDocument(pc_id=seat.pc_id, club_id=seat.club_id, zone_id=zone_id, name=seat.pc_id)
        documents[f"pc:{seat.pc_id}"] = _json(pc)
    for tariff in TARIFFS:
        documents[f"tariff:{tariff.id}:{tariff.version}"] = orjson.dumps(tariff_to_dict(tariff))
    at_once(store.put(chain_id, documents))
    names = (*PLAYERS, STAYER)
    players = {f"player:{name}": _json(_player(name, customs)) for name in names}
    at_once(store.add_documents(chain_id, players))


def _player(name: str, customs: Customs) -> PlayerDocument:
    limit_minor = customs.credit_minor.get(name, 0)
    limit = CreditLimit(currency=CURRENCY, limit_minor=limit_minor, floor_minor=limit_minor)
    return PlayerDocument(
        player_id=name,
        label=name.title(),
        auto_renewal=name in customs.auto_renewal,
        credit_limits=(limit,) if limit_minor else (),
    )


def _json(
    document: ChainDocument | ClubDocument | ZoneDocument | PcDocument | PlayerDocument,
) -> bytes:
    return document.stored()
