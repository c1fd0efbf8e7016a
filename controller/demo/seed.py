"""The demo's chain as catalogue documents, written once and found again by later starts."""

from dataclasses import asdict, dataclass
from typing import Final, Protocol

import orjson

from actors.clock import ClockAnchor
from actors.store import Catalogue, Snapshots
from billing_core.plain import tariff_to_dict
from billing_core.tariff import PriceRule, Tariff, TariffType, Tier
from billing_core.window import Schedule, TimeWindow
from controller.business_time import resumed_anchor, write_anchor
from controller.demo.plan import (
    CHAIN_ID,
    CHAIN_NAME,
    MINUTES_PER_HOUR,
    BlockOffer,
    ClubPlan,
    DemoPlan,
    ZoneRates,
)
from schemas.catalogue import (
    ChainDocument,
    ClubDocument,
    PcDocument,
    PlayerDocument,
    ZoneDocument,
)

SHAPE_SNAPSHOT: Final = "demo:shape"
SEEN_SNAPSHOT: Final = "demo:seen"
MORNING_MINUTE: Final = 8 * 60
EVENING_MINUTE: Final = 18 * 60
NO_SHOW_MINUTES: Final = 15
LOW_BALANCE_STEPS: Final = 10
TARIFF_VERSION: Final = 1


class SeedStore(Catalogue, Snapshots, Protocol):
    """The part of the store that seeding needs."""


@dataclass(frozen=True, slots=True)
class DemoSize:
    """How large the demo's chain is. Kept in the store, so a later start finds the same one."""

    pcs: int
    players: int
    seed: int


async def agreed_size(store: Snapshots, wanted: DemoSize) -> DemoSize:
    """The size this state folder began with, or ``wanted`` for a new one."""
    raw = (await store.snapshots(SHAPE_SNAPSHOT)).get(SHAPE_SNAPSHOT)
    if raw is not None:
        return DemoSize(**orjson.loads(raw))
    await store.put_snapshot(SHAPE_SNAPSHOT, orjson.dumps(asdict(wanted)), ttl_ms=None)
    return wanted


async def set_business_time(store: Snapshots, *, real_now_ms: int, speed: float) -> ClockAnchor:
    """Anchor business time so that it goes on from where the last run left it."""
    raw = (await store.snapshots(SEEN_SNAPSHOT)).get(SEEN_SNAPSHOT)
    anchor = resumed_anchor(
        last_seen_ms=None if raw is None else int(raw), real_now_ms=real_now_ms, speed=speed
    )
    await write_anchor(store, anchor)
    return anchor


async def note_business_time(store: Snapshots, now_ms: int) -> None:
    """Remember how far business time has come."""
    await store.put_snapshot(SEEN_SNAPSHOT, str(now_ms).encode(), ttl_ms=None)


async def seed_catalogue(store: SeedStore, plan: DemoPlan) -> int:
    """Write what is not there of the chain's documents and players; how many players were new.

    What somebody has edited since the first start stays as they left it.
    """
    known = await store.catalogue(CHAIN_ID)
    documents = catalogue_documents(plan)
    await store.put(CHAIN_ID, {name: raw for name, raw in documents.items() if name not in known})
    players = {
        f"player:{player.player_id}": PlayerDocument(
            player_id=player.player_id, label=player.label, phone=player.phone
        ).stored()
        for player in plan.players
    }
    return await store.add_documents(CHAIN_ID, players)


def catalogue_documents(plan: DemoPlan) -> dict[str, bytes]:
    """Catalogue field -> JSON of everything but the players."""
    chain = ChainDocument(chain_id=CHAIN_ID, name=CHAIN_NAME)
    documents = {"chain": chain.model_dump_json().encode()}
    for club in plan.clubs:
        documents |= _club_documents(club)
    return documents


def _club_documents(club: ClubPlan) -> dict[str, bytes]:
    tariff_ids = (club.minute_tariff_id, *(block.tariff_id for block in club.blocks))
    dearest = max(club.rate(zone.zone_id) for zone in club.zones)
    club_document = ClubDocument(
        club_id=club.club_id,
        name=club.name,
        timezone=club.timezone,
        currency=club.currency,
        terms={
            "no_show_minutes": NO_SHOW_MINUTES,
            "low_balance_minor": dearest * LOW_BALANCE_STEPS // MINUTES_PER_HOUR,
        },
    )
    documents = {f"club:{club.club_id}": club_document.model_dump_json().encode()}
    for position, zone in enumerate(club.zones):
        zone_document = ZoneDocument(
            zone_id=zone.zone_id,
            club_id=club.club_id,
            name=zone.name,
            position=position,
            tariff_ids=tariff_ids,
            default_tariff_id=club.minute_tariff_id,
        )
        documents[f"zone:{zone.zone_id}"] = zone_document.model_dump_json().encode()
    for position, (pc_id, zone_id) in enumerate(club.zone_of_pc.items()):
        pc = PcDocument(
            pc_id=pc_id,
            club_id=club.club_id,
            zone_id=zone_id,
            name=pc_id.rpartition("-")[2],
            position=position,
        )
        documents[f"pc:{pc_id}"] = pc.model_dump_json().encode()
    for tariff in _tariffs(club):
        documents[f"tariff:{tariff.id}:{tariff.version}"] = orjson.dumps(tariff_to_dict(tariff))
    return documents


def _tariffs(club: ClubPlan) -> tuple[Tariff, ...]:
    minute = Tariff(
        id=club.minute_tariff_id,
        version=TARIFF_VERSION,
        name="By the minute",
        currency=club.currency,
        type=TariffType.PER_MINUTE,
        prices=tuple(rule for zone in club.zones for rule in _minute_rules(zone)),
    )
    return (minute, *(_block_tariff(club, block) for block in club.blocks))


def _minute_rules(zone: ZoneRates) -> tuple[PriceRule, PriceRule]:
    def rule(name: str, start_minute: int, *, end_minute: int, per_hour_minor: int) -> PriceRule:
        return PriceRule(
            name=f"{zone.name} {name}",
            zones=(zone.zone_id,),
            when=Schedule((TimeWindow(start_minute, end_minute),)),
            tiers=(Tier(0, per_hour_minor),),
        )

    return (
        rule(
            "by day",
            MORNING_MINUTE,
            end_minute=EVENING_MINUTE,
            per_hour_minor=zone.day_per_hour_minor,
        ),
        rule(
            "evening and night",
            EVENING_MINUTE,
            end_minute=MORNING_MINUTE,
            per_hour_minor=zone.evening_per_hour_minor,
        ),
    )


def _block_tariff(club: ClubPlan, block: BlockOffer) -> Tariff:
    return Tariff(
        id=block.tariff_id,
        version=TARIFF_VERSION,
        name=block.name,
        currency=club.currency,
        type=TariffType.FIXED,
        price_minor=block.price_minor(club.zones[0].zone_id),
        block_minutes=block.minutes,
        prices=tuple(
            PriceRule(
                name=f"{block.name} in {zone.name}",
                zones=(zone.zone_id,),
                block_price_minor=block.price_minor(zone.zone_id),
            )
            for zone in club.zones
        ),
    )
