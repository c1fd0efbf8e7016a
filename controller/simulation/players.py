"""What people ask for: top-ups, sessions, changes of seat, and the same again after a timeout."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Final

from controller.simulation import town
from controller.simulation.world import World
from schemas.commands import (
    CancelSession,
    Command,
    CommandEnvelope,
    CommandReply,
    CreateSession,
    EndSession,
    ExtendSession,
    ReplyStatus,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)

CALLER_WAITS_S: Final = 2.0
ASK_AGAIN_S: Final = 0.15
REPEATS: Final = 0.08
"""How often a caller sends again what was answered already."""
DECIDED: Final = frozenset({ReplyStatus.OK, ReplyStatus.REJECTED})


@dataclass(slots=True)
class Request:
    """One thing asked for under one key, and every decided answer to it."""

    envelope: CommandEnvelope
    replies: list[CommandReply] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """It was done."""
        return bool(self.replies) and self.replies[0].status is ReplyStatus.OK


class Desk:
    """Sends commands to whoever owns the club, and again until there is an answer."""

    def __init__(self, world: World, random: Random) -> None:
        self.requests: list[Request] = []
        self.patient = True
        self.loss = 0.0
        self._world = world
        self._random = random

    def ask(self, club_id: str, command: Command, key: str | None = None) -> Request:
        """Write a request down under a new key."""
        number = len(self.requests) + 1
        envelope = CommandEnvelope(
            chain_id=self._world.chain_id,
            club_id=club_id,
            idempotency_key=key or f"k{number}",
            fingerprint=f"f{number}",
            principal="simulated",
            command=command,
        )
        request = Request(envelope)
        self.requests.append(request)
        return request

    async def send(self, request: Request) -> CommandReply:
        """Send until decided."""
        while True:
            reply = await self._once(request.envelope)
            if reply is not None and reply.status in DECIDED:
                request.replies.append(reply)
                return reply
            await asyncio.sleep(ASK_AGAIN_S)

    async def _once(self, envelope: CommandEnvelope) -> CommandReply | None:
        """One call to one host; None when there was no answer."""
        machine = self._world.hosts[self._owner(envelope.club_id)]
        process, host = machine.process, machine.host
        if process is None or host is None or self._lost():
            return None
        task = process.spawn(host.execute(envelope))
        done, _ = await asyncio.wait({task}, timeout=CALLER_WAITS_S)
        if not done or self._lost():
            return None
        return None if task.cancelled() else task.result()

    def _owner(self, club_id: str) -> str:
        name = self._world.owner_of(club_id)
        if name is None or self._random.random() < self.loss / 2:
            return self._random.choice(sorted(self._world.hosts))
        return name

    def _lost(self) -> bool:
        return self._random.random() < self.loss


class Player:
    """One person with a wallet, doing things at random."""

    def __init__(self, name: str | None, desk: Desk, random: Random) -> None:
        self.name = name
        self._desk = desk
        self._random = random
        self._sessions: list[tuple[str, str]] = []
        self._drawn = 0
        self.leaving = False

    async def play(self, think_s: float) -> None:
        """Ask for things until told to leave."""
        if self.name is not None:
            await self._do(self._top_up)
        while not self.leaving:
            await asyncio.sleep(self._random.expovariate(1 / think_s))
            if self._desk.requests and self._random.random() < REPEATS:
                await self._desk.send(self._random.choice(self._desk.requests))
            else:
                await self._do(self._choice())

    def _choice(self) -> Callable[[], Request]:
        if not self._sessions or self._random.random() < 0.15:
            return self._create
        return _DEEDS[self._random.choice(sorted(_DEEDS))].__get__(self)  # type: ignore[no-any-return]

    async def _do(self, deed: Callable[[], Request]) -> None:
        request = deed()
        reply = await self._desk.send(request)
        command = request.envelope.command
        if isinstance(command, CreateSession) and reply.status is ReplyStatus.OK:
            self._sessions.append((request.envelope.club_id, command.session_id))
            del self._sessions[:-3]

    def _session(self) -> tuple[str, str]:
        return (
            self._sessions[-1]
            if self._random.random() < 0.8
            else self._random.choice(self._sessions)
        )

    def top_up(self) -> Request:
        """Money over the desk, in any club."""
        return self._top_up()

    def _top_up(self) -> Request:
        if self.name is None:
            return self._create()
        command = TopUpWallet(
            player_id=self.name,
            amount_minor=self._random.randint(1, 8_000),
            bonus_minor=self._random.choice((0, 0, 500)),
        )
        return self._desk.ask(self._random.choice(town.CLUBS), command)

    def _create(self) -> Request:
        self._drawn += 1
        seat = self._random.choice(town.SEATS)
        later = self._random.random() < 0.1
        command = CreateSession(
            session_id=f"{self.name or 'guest'}-{self._drawn}",
            pc_id=seat.pc_id,
            tariff_id=town.BLOCK if self._random.random() < 0.15 else town.STANDARD,
            player_id=self.name,
            guest_label=None if self.name else "Guest",
            start=not later,
            paid_minor=0 if self.name else self._random.randint(1, 6_000),
        )
        return self._desk.ask(seat.club_id, command)

    def start(self) -> Request:
        """Press Start."""
        club_id, session_id = self._session()
        return self._desk.ask(club_id, StartSession(session_id=session_id))

    def extend(self) -> Request:
        """Append a tariff."""
        club_id, session_id = self._session()
        tariff_id = self._random.choice((town.BLOCK, town.STANDARD))
        return self._desk.ask(club_id, ExtendSession(session_id=session_id, tariff_id=tariff_id))

    def switch(self) -> Request:
        """Change seats."""
        club_id, session_id = self._session()
        pcs = [seat.pc_id for seat in town.SEATS if seat.club_id == club_id]
        command = SwitchSessionDevice(session_id=session_id, pc_id=self._random.choice(pcs))
        return self._desk.ask(club_id, command)

    def end(self) -> Request:
        """Go home."""
        club_id, session_id = self._session()
        return self._desk.ask(club_id, EndSession(session_id=session_id))

    def cancel(self) -> Request:
        """Think better of it."""
        club_id, session_id = self._session()
        return self._desk.ask(club_id, CancelSession(session_id=session_id))


_DEEDS: Final[Mapping[str, Callable[[Player], Request]]] = MappingProxyType(
    {
        "cancel": Player.cancel,
        "end": Player.end,
        "extend": Player.extend,
        "start": Player.start,
        "switch": Player.switch,
        "switch again": Player.switch,
        "top up": Player.top_up,
        "top up again": Player.top_up,
    }
)
