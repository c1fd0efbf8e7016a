"""One shard's loop as a host runs it, on the store's twin and a clock moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from clubs_under_test import CHAIN

from actors.clock import ManualClock
from actors.placement import shard_of_club
from actors.shard_loop import ShardLoop, ShardPorts
from actors.store import Store
from actors.telemetry import Telemetry
from actors.turn import Answer, CommandInput, DeviceEffect, PublishDesired
from schemas.commands import Command, CommandEnvelope, CommandReply
from schemas.device import DesiredDocument

START_AT_MS = 1_800_000_000_000


@dataclass
class LoopUnderTest:
    """``answers`` are all that were given, by ticket: exactly one each is right."""

    store: Store
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_AT_MS, 1_000_000))
    answers: dict[int, list[CommandReply]] = field(default_factory=dict)
    documents: dict[str, DesiredDocument] = field(default_factory=dict)
    telemetry: Telemetry = field(default_factory=Telemetry)
    loop: ShardLoop = field(init=False)
    _ticket: int = 0

    def __post_init__(self) -> None:
        ports = ShardPorts(
            store=self.store,
            clock=self.clock,
            telemetry=self.telemetry,
            publish=self._publish,
            answer=self._answer,
            may_write=lambda: True,
            link_is_up=lambda: True,
            clubs_changed=lambda _loop, _clubs: None,
            wallets_moved=lambda _loop, _wallets: None,
        )
        self.loop = ShardLoop(shard_of_club(CHAIN, "north"), "h1", ports)

    def _answer(self, effect: Answer) -> None:
        self.answers.setdefault(effect.ticket, []).append(effect.reply)

    def _publish(self, effect: DeviceEffect) -> None:
        if isinstance(effect, PublishDesired):
            self.documents[effect.pc_id] = effect.document

    def send(self, *commands: Command) -> list[int]:
        """Put commands into the inbox together; their tickets."""
        tickets = []
        for command in commands:
            self._ticket += 1
            envelope = CommandEnvelope(
                chain_id=CHAIN,
                club_id="north",
                idempotency_key=f"k{self._ticket}",
                fingerprint="f",
                principal="test",
                command=command,
            )
            asked = CommandInput(self._ticket, envelope, self.clock.mono_ms())
            assert self.loop.inbox.put_command(asked)
            tickets.append(self._ticket)
        self.loop.wake()
        return tickets

    async def ask(self, *commands: Command) -> list[CommandReply]:
        """The same, with their only answers."""
        tickets = self.send(*commands)
        await self.until(lambda: all(ticket in self.answers for ticket in tickets))
        return [self.only_answer(ticket) for ticket in tickets]

    def only_answer(self, ticket: int) -> CommandReply:
        (reply,) = self.answers[ticket]
        return reply

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(5_000):
            if condition():
                return
            await asyncio.sleep(0.002)
        raise AssertionError("it did not come to that")

    async def rest(self) -> None:
        """Let everything that is due now be done."""
        self.loop.wake()
        for _ in range(12):
            await asyncio.sleep(0.001)

    async def minutes(self, count: int) -> None:
        """Time passes, ten seconds at a time."""
        for _ in range(count * 6):
            self.clock.advance(10_000)
            await self.rest()

    async def steps(self, session_id: str) -> int:
        """What is billed of a running session."""
        stored = await self.store.session(CHAIN, session_id)
        assert stored is not None
        return sum(one["steps"] for one in orjson.loads(stored.blob)["segments"])


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[LoopUnderTest]:
    """A loop at work until the end of the block."""
    made = LoopUnderTest(store)
    task = asyncio.create_task(made.loop.run())
    try:
        await made.until(lambda: made.loop.ready)
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
