"""A small chain every room's tests can run: two clubs, their zones, PCs, tariffs and players."""

from collections.abc import Mapping
from dataclasses import replace

import orjson

from actors.store import Store
from actors.wallets import WalletKey
from billing_core.plain import tariff_to_dict
from billing_core.tariff import PriceRule, RefundPolicy, Tariff, TariffType, Tier
from controller.demo.plan import CHAIN_ID
from schemas.catalogue import (
    ChainDocument,
    ClubDocument,
    PcDocument,
    PlayerDocument,
    ZoneDocument,
)

CHAIN = CHAIN_ID
CLUBS = ("north", "south")
PER_MINUTE = Tariff(
    id="standard",
    version=1,
    name="Standard",
    currency="EUR",
    type=TariffType.PER_MINUTE,
    prices=(
        PriceRule("VIP", zones=("north-vip", "south-vip"), tiers=(Tier(0, 240_00),)),
        PriceRule("day", tiers=(Tier(0, 120_00),)),
    ),
)
TWO_HOURS = Tariff(
    id="block",
    version=1,
    name="Two hours",
    currency="EUR",
    type=TariffType.FIXED,
    price_minor=200_00,
    block_minutes=120,
    refund=RefundPolicy.CASH,
)


def catalogue(
    pcs_per_zone: int = 2, *, club_terms: Mapping[str, object] | None = None
) -> dict[str, bytes]:
    """Catalogue fields of the chain; each club has the zones ``<club>-main`` and ``<club>-vip``."""
    documents: dict[str, bytes] = {
        "chain": ChainDocument(chain_id=CHAIN, name="Orbit").model_dump_json().encode()
    }
    for club in CLUBS:
        document = ClubDocument(
            club_id=club,
            name=club.title(),
            timezone="Europe/Berlin",
            currency="EUR",
            terms=dict(club_terms or {}),
        )
        documents[f"club:{club}"] = document.model_dump_json().encode()
        for zone in ("main", "vip"):
            documents |= _zone(club, zone, pcs_per_zone)
    for tariff in (PER_MINUTE, TWO_HOURS):
        documents[f"tariff:{tariff.id}:{tariff.version}"] = orjson.dumps(tariff_to_dict(tariff))
    return documents


def _zone(club: str, zone: str, pcs_per_zone: int) -> dict[str, bytes]:
    zone_id = f"{club}-{zone}"
    document = ZoneDocument(zone_id=zone_id, club_id=club, name=zone.title())
    documents = {f"zone:{zone_id}": document.model_dump_json().encode()}
    for number in range(pcs_per_zone):
        pc_id = f"{zone_id}-{number}"
        pc = PcDocument(pc_id=pc_id, club_id=club, zone_id=zone_id, name=f"{zone}{number}")
        documents[f"pc:{pc_id}"] = pc.model_dump_json().encode()
    return documents


def next_version(tariff: Tariff, **changes: object) -> Tariff:
    """The tariff as edited: one version on."""
    return replace(tariff, version=tariff.version + 1, **changes)  # type: ignore[arg-type]


def player(player_id: str) -> bytes:
    """A player's document."""
    return PlayerDocument(player_id=player_id, label=player_id.title()).model_dump_json().encode()


async def seed(
    store: Store,
    *,
    pcs_per_zone: int = 2,
    players: tuple[str, ...] = ("ann", "bob"),
    club_terms: Mapping[str, object] | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> None:
    """Put the chain and its players into a store; ``documents`` go over those of the catalogue."""
    fields = catalogue(pcs_per_zone, club_terms=club_terms)
    await store.put(CHAIN, {**fields, **(documents or {})})
    await store.add_documents(CHAIN, {f"player:{name}": player(name) for name in players})


async def wallet_of(store: Store, holder_id: str) -> tuple[int, int]:
    """(cash, bonus) of a holder as stored."""
    cash, bonus = WalletKey("EUR", holder_id).accounts
    balances = await store.balances(CHAIN, [cash, bonus])
    return balances.get(cash, 0), balances.get(bonus, 0)
