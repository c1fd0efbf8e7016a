"""A club of any size for benchmarks: as many PCs as sessions, each session running by the minute.

Everything is decided by the real runtime and written through a real store, as in production.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from actors.placement import shard_of_club
from actors.runtime import ShardRuntime
from actors.shard_contents import decode_shard
from actors.store import (
    MAX_UNITS_PER_COMMIT,
    CommitResult,
    Ownership,
    ShardContents,
    ShardId,
    ShardStore,
    Unit,
    UnitStatus,
)
from actors.turn import CommandInput, Now
from billing_core.plain import tariff_to_dict
from billing_core.tariff import PriceRule, Tariff, TariffType, Tier
from schemas.catalogue import ClubDocument, PcDocument, ZoneDocument
from schemas.commands import CommandEnvelope, CreateSession

CHAIN_ID: Final = "bench"
BEGIN_MS: Final = 1_800_000_000_000
MINUTE_MS: Final = 60_000
HOURLY_MINOR: Final = 240
PAID_MINOR: Final = 1_000_000
TARIFF_ID: Final = "minute"


class BenchmarkFailedError(Exception):
    """The store refused something that a benchmark never expects to be refused."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One commit as it was asked for."""

    ownership: Ownership
    seq: int
    units: tuple[Unit, ...]


@dataclass(slots=True)
class ClubAtWork:
    """A club's shard under one ownership, driven turn by turn. ``batches`` is what it wrote."""

    club_id: str
    ownership: Ownership
    runtime: ShardRuntime
    batches: list[Batch] = field(default_factory=list)

    async def turn(self, store: ShardStore, inputs: list[CommandInput], now: Now) -> int:
        """One turn, committed and settled; how many units it wrote."""
        drafts = self.runtime.turn(inputs, now).drafts
        for start in range(0, len(drafts), MAX_UNITS_PER_COMMIT):
            drafted = drafts[start : start + MAX_UNITS_PER_COMMIT]
            units = tuple(draft.unit for draft in drafted)
            batch = Batch(self.ownership, len(self.batches) + 1, units)
            result = await store.commit(batch.ownership, batch.seq, batch.units)
            _expect_applied(result)
            self.batches.append(batch)
            self.runtime.settle(drafted, result.outcomes, now)
        return len(drafts)


def now_after(minutes: int) -> Now:
    """Just after that many minutes since everybody sat down; the host's own clock stands still."""
    return Now(BEGIN_MS + minutes * MINUTE_MS + bool(minutes), 0)


async def club_at_work(store: ShardStore, club_id: str, *, sessions: int) -> ClubAtWork:
    """A fresh club in which every PC has a running session."""
    club = await _opened(store, club_id, pcs=sessions)
    for first in range(0, sessions, MAX_UNITS_PER_COMMIT):
        numbers = range(first, min(sessions, first + MAX_UNITS_PER_COMMIT))
        await club.turn(store, [_sit_down(club_id, number) for number in numbers], now_after(0))
    return club


def runtime_of(contents: ShardContents, catalogue: Mapping[str, bytes]) -> ShardRuntime:
    """What a host does with a shard it has read."""
    return ShardRuntime(
        contents.ownership, decode_shard(contents.entities), catalogue, now=now_after(0)
    )


def club_names(count: int) -> list[str]:
    """Clubs that live in a shard of their own each."""
    by_shard: dict[ShardId, str] = {}
    number = 0
    while len(by_shard) < count:
        name = f"club-{number}"
        by_shard.setdefault(shard_of_club(CHAIN_ID, name), name)
        number += 1
    return list(by_shard.values())


def catalogue_of(club_id: str, *, pcs: int) -> dict[str, bytes]:
    """A club with one zone and one tariff by the minute."""
    club = ClubDocument(club_id=club_id, name=club_id, timezone="Europe/Berlin", currency="EUR")
    zone = ZoneDocument(
        zone_id=f"{club_id}-hall", club_id=club_id, name="Hall", tariff_ids=(TARIFF_ID,)
    )
    tariff = Tariff(
        id=TARIFF_ID,
        version=1,
        name="By the minute",
        currency="EUR",
        type=TariffType.PER_MINUTE,
        prices=(PriceRule(name="always", tiers=(Tier(0, HOURLY_MINOR),)),),
    )
    fields = {
        f"club:{club_id}": club.model_dump_json().encode(),
        f"zone:{zone.zone_id}": zone.model_dump_json().encode(),
        f"tariff:{TARIFF_ID}:1": orjson.dumps(tariff_to_dict(tariff)),
    }
    for number in range(pcs):
        pc = PcDocument(
            pc_id=f"{club_id}-{number}", club_id=club_id, zone_id=zone.zone_id, name=str(number)
        )
        fields[f"pc:{pc.pc_id}"] = pc.model_dump_json().encode()
    return fields


async def _opened(store: ShardStore, club_id: str, *, pcs: int) -> ClubAtWork:
    shard: ShardId = shard_of_club(CHAIN_ID, club_id)
    ownership = await store.acquire(shard, host="bench", nonce="bench")
    contents = await store.load(ownership)
    assert contents is not None
    return ClubAtWork(club_id, ownership, runtime_of(contents, catalogue_of(club_id, pcs=pcs)))


def _sit_down(club_id: str, number: int) -> CommandInput:
    key = f"{club_id}-{number}"
    command = CreateSession(
        session_id=f"s-{key}",
        pc_id=key,
        tariff_id=TARIFF_ID,
        guest_label=f"Guest {number}",
        paid_minor=PAID_MINOR,
        start=True,
    )
    envelope = CommandEnvelope(
        chain_id=CHAIN_ID,
        club_id=club_id,
        idempotency_key=key,
        fingerprint=key,
        principal="bench",
        command=command,
    )
    return CommandInput(number, envelope, 0)


def _expect_applied(result: CommitResult) -> None:
    refused = [each for each in result.outcomes if each.status is not UnitStatus.APPLIED]
    if result.fenced or refused:
        raise BenchmarkFailedError(f"fenced: {result.fenced}, refused: {refused[:3]}")
