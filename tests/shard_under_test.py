"""One shard driven by hand on the store's twin: turn, commit, settle, with a manual clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from clubs_under_test import CHAIN, seed

from actors.clock import ManualClock
from actors.draft import TickReport
from actors.learning import learn_for, read_holders
from actors.placement import shard_of_club
from actors.presence import Signal
from actors.runtime import ShardRuntime
from actors.shard_contents import read_shard
from actors.store import Ownership, Unit
from actors.store_memory import MemoryStore
from actors.turn import (
    AcknowledgeUsage,
    Answer,
    AppliedTarget,
    CommandDevice,
    CommandInput,
    Effect,
    Input,
    Now,
    PcInput,
)
from schemas.commands import Channel, Command, CommandEnvelope, CommandReply, TopUpWallet
from schemas.device import DesiredDocument, PcMode, UsageAck

START_AT_MS = 1_800_000_000_000
MINUTE_MS = 60_000


@dataclass
class ShardUnderTest:
    """A club's shard and its owner, one step at a time."""

    store: MemoryStore
    club_id: str = "north"
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_AT_MS, 1_000_000))
    documents: dict[str, DesiredDocument] = field(default_factory=dict)
    replies: dict[int, CommandReply] = field(default_factory=dict)
    acks: list[UsageAck] = field(default_factory=list)
    orders: list[CommandDevice] = field(default_factory=list)
    ticks: list[TickReport] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    _tickets: "count[int]" = field(default_factory=lambda: count(1))
    runtime: ShardRuntime = field(init=False)
    seq: int = 0

    async def take(self, owner: str = "h0") -> Self:
        """Take the shard, as a starting or recovering host does."""
        shard = shard_of_club(CHAIN, self.club_id)
        nonce = f"{owner}-{next(self._tickets)}"
        ownership: Ownership = await self.store.acquire(shard, host=owner, nonce=nonce)
        contents = await self.store.load(ownership)
        assert contents is not None
        catalogue = await self.store.catalogue(CHAIN)
        entities = read_shard(contents.entities)
        self.seq = contents.seq
        self.runtime = ShardRuntime(
            ownership,
            entities.readable,
            catalogue,
            now=self.now,
            unreadable=entities.unreadable,
        )
        wallets = self.runtime.open_wallets()
        self.runtime.learn(*await read_holders(self.store, CHAIN, wallets))
        self._effects(self.runtime.desired_now())
        await self.turn()
        return self

    @property
    def now(self) -> Now:
        """The clock's instant."""
        return Now(self.clock.wall_ms(), self.clock.mono_ms())

    async def turn(self, *inputs: Input) -> bool:
        """One turn with these inputs and whatever follows from it; False when fenced."""
        waiting: list[Input] = list(inputs)
        for _ in range(20):
            await learn_for(self.runtime, self.store, waiting)
            turn = self.runtime.turn(waiting, self.now)
            self._effects(turn.immediate)
            if not turn.drafts:
                return True
            result = await self.store.commit(self.runtime.ownership, self.seq + 1, turn.units)
            if result.fenced:
                return False
            self.seq += 1
            self.units += turn.units
            settled = self.runtime.settle(turn.drafts, result.outcomes, self.now)
            assert settled.corrupt is None, settled.corrupt
            self._effects(settled.effects)
            self.ticks += [draft.tick for draft in settled.applied if draft.tick is not None]
            waiting = list(settled.retries)
            if not waiting and self.runtime.wait_ms(self.now, 1) > 0:
                return True
        raise AssertionError("the shard does not come to rest")

    async def command(
        self, command: Command, *, key: str | None = None, channel: Channel = Channel.CRM
    ) -> CommandReply:
        """Send one command and return its answer."""
        asked = self.asked(command, key=key, channel=channel)
        await self.turn(asked)
        return self.replies[asked.ticket]

    def asked(
        self, command: Command, *, key: str | None = None, channel: Channel = Channel.CRM
    ) -> CommandInput:
        """A command as it arrives, for a turn that is to decide several."""
        ticket = next(self._tickets)
        envelope = CommandEnvelope(
            chain_id=CHAIN,
            club_id=self.club_id,
            idempotency_key=key or f"{self.club_id}-{ticket}",
            fingerprint=command.model_dump_json()[:128],
            principal="test",
            channel=channel,
            command=command,
        )
        return CommandInput(ticket, envelope, self.now.mono_ms)

    async def wait(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass, with PCs that obey and beat every ten seconds."""
        left_ms = int(minutes * MINUTE_MS + seconds * 1_000)
        while left_ms > 0:
            step_ms = min(left_ms, 10_000)
            self.clock.advance(step_ms)
            left_ms -= step_ms
            await self.beat()

    async def beat(self, *pc_ids: str) -> None:
        """Every PC (or these) says that it obeys its newest document."""
        await self.turn(*[self.heard(pc_id) for pc_id in pc_ids or self.documents])

    def heard(self, pc_id: str) -> PcInput:
        """A heartbeat of a PC that has applied what it was sent."""
        document = self.documents[pc_id]
        applied = AppliedTarget((document.epoch, document.rev), document.mode is PcMode.LOCKED)
        return PcInput(self.club_id, pc_id, Signal.HEARD, self.now.mono_ms, applied)

    def _effects(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Answer):
                self.replies[effect.ticket] = effect.reply
            elif isinstance(effect, AcknowledgeUsage):
                self.acks.append(effect.ack)
            elif isinstance(effect, CommandDevice):
                self.orders.append(effect)
            else:
                self.documents[effect.pc_id] = effect.document


async def opened_club(*, ann_minor: int = 0) -> ShardUnderTest:
    """The seeded club at work, every PC heard, with so much in Ann's wallet."""
    store = MemoryStore()
    await seed(store)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    if ann_minor:
        await rig.command(TopUpWallet(player_id="ann", amount_minor=ann_minor))
    return rig
