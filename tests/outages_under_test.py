"""A club that judges outages, and a PC with a boot clock and a journal of its own."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import orjson
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.evidence import ClockTie
from actors.store import ChainStream
from actors.store_memory import MemoryStore
from actors.turn import CommandInput, PcInput
from billing_core.outage import Outage
from billing_core.session import SessionState
from billing_core.stored import session_from_dict
from controller.verify import verify
from schemas.commands import (
    CommandEnvelope,
    CommandReply,
    CreateSession,
    ReplyStatus,
    TopUpWallet,
)
from schemas.device import UsageEnd, UsageRecord

PC = "north-main-0"
OTHERS = ("north-main-1", "north-vip-0", "north-vip-1")
MINUTE_MS = 60_000


class Pc:
    """A PC with a boot clock and a journal of its own, as far as its controller can tell."""

    def __init__(self, shard: ShardUnderTest, boot_id: str = "b1") -> None:
        self.shard = shard
        self.boot(boot_id)
        self.seq = 0
        self.unsent: list[UsageRecord] = []
        self.since_ms: int | None = None

    def boot(self, boot_id: str) -> None:
        self.boot_id = boot_id
        self.booted_at_ms = self.shard.now.wall_ms - 5_000

    @property
    def boot_ms(self) -> int:
        return self.shard.now.wall_ms - self.booted_at_ms

    def serve(self) -> None:
        self.since_ms = self.boot_ms

    def stop(self, end: UsageEnd, *, session_id: str = "s1") -> None:
        """The stretch ends now; it is in the journal."""
        assert self.since_ms is not None
        self.seq += 1
        record = UsageRecord(
            boot_id=self.boot_id,
            seq=self.seq,
            session_id=session_id,
            lease_id=session_id,
            started_boot_ms=self.since_ms,
            ended_boot_ms=self.boot_ms,
            started_at_ms=0,
            ended_at_ms=0,
            end=end,
        )
        self.since_ms = None
        self.unsent.append(record)

    def word(self) -> PcInput:
        """A heartbeat, with its clock; the journal goes with it."""
        base = self.shard.heard(PC)
        offset_ms = self.booted_at_ms
        tie = ClockTie(self.boot_id, offset_ms, self.since_ms, unsent=0)
        usage, self.unsent = tuple(self.unsent), []
        return replace(base, usage=usage, tie=tie)


async def opened(store: MemoryStore, policy: str = "CREDIT", **terms: object) -> ShardUnderTest:
    await seed(store, club_terms={"outages": policy, **terms})
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    return rig


async def play(shard: ShardUnderTest, *, amount_minor: int = 500_00, **fields: object) -> Pc:
    """Ann plays at 2.00 a minute on a PC that says so."""
    asked: dict[str, Any] = {"tariff_id": "standard", "player_id": "ann", "start": True, **fields}
    if asked.get("player_id"):
        await shard.command(TopUpWallet(player_id="ann", amount_minor=amount_minor))
    reply = await shard.command(CreateSession(session_id="s1", pc_id=PC, **asked))
    assert reply.status is ReplyStatus.OK, reply
    pc = Pc(shard)
    pc.serve()
    await pass_time(shard, 10, pc)
    return pc


async def pass_time(
    shard: ShardUnderTest, seconds: int, pc: Pc | None, others: Sequence[str] = OTHERS
) -> None:
    """Time passes; the PC beats if it is given."""
    for _ in range(seconds // 10):
        shard.clock.advance(10_000)
        words = [shard.heard(pc_id) for pc_id in others]
        await shard.turn(*words, *([pc.word()] if pc is not None else []))


async def session(store: MemoryStore, session_id: str = "s1") -> SessionState:
    stored = await store.session(CHAIN, session_id)
    assert stored is not None
    document = orjson.loads(stored.blob)
    return session_from_dict(document.get("state", document))


async def told(shard: ShardUnderTest, kind: str) -> list[dict[str, Any]]:
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX)
    events = [orjson.loads(entry.payload)["event"] for entry in entries]
    return [event["payload"] for event in events if event["kind"] == kind]


async def credited(shard: ShardUnderTest) -> dict[str, int]:
    """What credit transactions gave back, by id."""
    entries = await shard.store.stream(CHAIN, ChainStream.LEDGER)
    found = [orjson.loads(entry.payload) for entry in entries]
    return {
        one["id"]: -sum(
            side["amount_minor"] for side in one["entries"] if ":revenue:" in side["account"]
        )
        for one in found
        if one["kind"] == "credit"
    }


def facts(outage: Outage) -> tuple[str, str, str, str]:
    return (
        outage.verdict.value,
        outage.link.value,
        outage.journal.value,
        outage.status.value,
    )


async def books_agree(store: MemoryStore) -> None:
    report = await verify(store, None)
    assert report.rows == ()


class ShardGateway:
    """Takes commands straight to the shard."""

    def __init__(self, shard: ShardUnderTest) -> None:
        self._shard = shard
        self._tickets = count(1_000)

    async def execute(self, envelope: CommandEnvelope, *, timeout_ms: int = 0) -> CommandReply:
        del timeout_ms
        ticket = next(self._tickets)
        await self._shard.turn(CommandInput(ticket, envelope, self._shard.now.mono_ms))
        return self._shard.replies[ticket]


async def freeze(shard: ShardUnderTest, **fields: object) -> None:
    """Ann's PC stands still for twelve minutes and goes on."""
    pc = await play(shard, **fields)  # type: ignore[arg-type]
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 60, pc)
