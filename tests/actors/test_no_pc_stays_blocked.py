"""No path through the status table leaves a PC blocked by a session that is over.

Random lives of two PCs. After every step a PC is open exactly while a started session sits there;
and when everything has been ended by somebody or by time, each PC takes the next player at once.
"""

import asyncio
from itertools import count
from random import Random
from typing import Final

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import MINUTE_MS, ShardUnderTest

from actors.store import SESSION_KEY_PREFIX
from actors.store_memory import MemoryStore
from schemas.commands import (
    CancelSession,
    Command,
    ConvertGuest,
    CreateSession,
    EndSession,
    ExtendSession,
    PaymentMode,
    ReplyStatus,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import PcMode

PCS: Final = ("north-main-0", "north-main-1")
STEPS: Final = 40
TERMS: Final = {"no_show_minutes": 15, "grace_seconds": 60}


class Life:
    """One random life of a hall."""

    def __init__(self, shard: ShardUnderTest, luck: Random) -> None:
        self.shard = shard
        self.luck = luck
        self.sessions: list[str] = []
        self.accepted = 0
        self._numbers = count(1)

    async def step(self) -> None:
        if self.luck.random() < 0.35:
            await self.shard.wait(minutes=self.luck.choice((0.5, 1, 4, 20)))
            return
        reply = await self.shard.command(self._command())
        assert reply.status in (ReplyStatus.OK, ReplyStatus.REJECTED)
        self.accepted += reply.status is ReplyStatus.OK
        # After a change of seats the new PC opens when the old one says that it has locked.
        await self.shard.beat()

    def _command(self) -> Command:
        if not self.sessions or self.luck.random() < 0.35:
            return self._creation()
        session_id = self.luck.choice(self.sessions[-4:])
        return self.luck.choice(
            (
                StartSession(session_id=session_id),
                ExtendSession(session_id=session_id, tariff_id=self.luck.choice(TARIFFS)),
                SwitchSessionDevice(session_id=session_id, pc_id=self.luck.choice(PCS)),
                EndSession(session_id=session_id),
                CancelSession(session_id=session_id),
                ConvertGuest(session_id=session_id, player_id="bob"),
            )
        )

    def _creation(self) -> CreateSession:
        session_id = f"s{next(self._numbers)}"
        self.sessions.append(session_id)
        guest = self.luck.random() < 0.4
        ahead_minutes = self.luck.choice((None, None, 5, 30))
        at_ms = self.shard.now.wall_ms
        return CreateSession(
            session_id=session_id,
            pc_id=self.luck.choice(PCS),
            player_id=None if guest else self.luck.choice(("ann", "bob")),
            guest_label="Max" if guest else None,
            paid_minor=self.luck.choice((0, 6_00, 250_00)) if guest else 0,
            tariff_id=self.luck.choice(TARIFFS),
            mode=self.luck.choice((PaymentMode.PREPAID, PaymentMode.PREPAID, OPEN_ENDED)),
            start=ahead_minutes is None and self.luck.random() < 0.7,
            planned_start_at_ms=None
            if ahead_minutes is None
            else at_ms + ahead_minutes * MINUTE_MS,
        )

    async def occupied(self) -> set[str]:
        """PCs on which the store has a started session."""
        stored = [
            orjson.loads(entity.blob)
            for entity in await self.shard.store.all_entities(CHAIN)
            if entity.key.startswith(SESSION_KEY_PREFIX)
        ]
        assert {one["status"] for one in stored} <= {"PENDING", "ACTIVE", "STARTED"}
        started = [one["pc_id"] for one in stored if one["status"] == "STARTED"]
        assert len(started) == len(set(started)), "two started sessions on one PC"
        return set(started)

    def open_pcs(self) -> set[str]:
        return {
            pc_id
            for pc_id, document in self.shard.documents.items()
            if document.mode is not PcMode.LOCKED and pc_id in PCS
        }


TARIFFS: Final = ("standard", "block")
OPEN_ENDED: Final = PaymentMode.OPEN_ENDED


@pytest.mark.parametrize("seed_number", range(25))
def test_a_pc_is_open_while_somebody_plays_and_free_when_nobody_does(seed_number: int) -> None:
    asyncio.run(live(Random(seed_number)))


async def live(luck: Random) -> None:
    store = MemoryStore()
    await seed(store, club_terms=TERMS)
    shard = await ShardUnderTest(store).take()
    for player_id in ("ann", "bob"):
        await shard.command(
            TopUpWallet(player_id=player_id, amount_minor=luck.choice((8_00, 900_00)))
        )
    life = Life(shard, luck)
    for _ in range(STEPS):
        await life.step()
        assert await life.occupied() == life.open_pcs()
    assert life.accepted > 1
    for session_id in life.sessions:
        for ending in (EndSession(session_id=session_id), CancelSession(session_id=session_id)):
            await shard.command(ending)
    assert await life.occupied() == life.open_pcs() == set()
    assert await store.all_claims(CHAIN) == {}
    for number, pc_id in enumerate(PCS):
        taken = CreateSession(
            session_id=f"next-{number}",
            pc_id=pc_id,
            guest_label="Next",
            paid_minor=10_00,
            tariff_id="standard",
            start=True,
        )
        assert (await shard.command(taken)).status is ReplyStatus.OK, pc_id
