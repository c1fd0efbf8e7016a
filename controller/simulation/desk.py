"""The counter: what was asked under which key, what came back, and what it says of sessions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import orjson

from controller.simulation.swarm import TOP_UPS_MINOR
from controller.simulation.virtual_loop import at_once
from controller.simulation.world import World
from schemas.commands import Channel, Command, CommandEnvelope, CommandReply, ReplyStatus

CALLER_WAITS_S: Final = 2.0
ASK_AGAIN_S: Final = 0.15
ASK_AGAIN_MAX_S: Final = 0.6
DECIDED: Final = frozenset({ReplyStatus.OK, ReplyStatus.REJECTED})
PROPOSED: Final = b'"PROPOSED"'
OVER: Final = frozenset({"ENDED", "CANCELLED"})

View = Mapping[str, Any]


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
    """Sends commands to whoever owns the club, and again until there is an answer.

    ``sessions`` and ``orders`` are the views last answered, by id: what people believe.
    """

    def __init__(
        self, world: World, random: Random, *, top_ups_minor: Sequence[int] = TOP_UPS_MINOR[0]
    ) -> None:
        self.top_ups_minor = top_ups_minor
        self.requests: list[Request] = []
        self.loss = 0.0
        self.sessions: dict[str, View] = {}
        self.orders: dict[str, View] = {}
        self._world = world
        self._random = random

    @property
    def now_ms(self) -> int:
        """Business time by the clock on the wall."""
        return self._world.business.now_ms()

    @property
    def speed(self) -> float:
        """How fast business time runs."""
        return self._world.business.speed

    def proposals(self) -> list[tuple[str, str, int]]:
        """(club, session, number) of every outage that waits for staff, as the API lists them."""
        return [
            (state["club_id"], state["session_id"], outage["number"])
            for entity in at_once(self._world.store.all_entities(self._world.chain_id))
            if PROPOSED in entity.blob
            for state in [orjson.loads(entity.blob)]
            for state in [state.get("state", state)]
            for outage in state.get("outages", ())
            if outage["status"] == "PROPOSED"
        ]

    def ask(
        self,
        club_id: str,
        command: Command,
        *,
        key: str | None = None,
        channel: Channel = Channel.CRM,
    ) -> Request:
        """Write a request down under a new key."""
        number = len(self.requests) + 1
        envelope = CommandEnvelope(
            chain_id=self._world.chain_id,
            club_id=club_id,
            idempotency_key=key or f"k{number}",
            fingerprint=f"f{number}",
            principal="simulated",
            channel=channel,
            command=command,
        )
        request = Request(envelope)
        self.requests.append(request)
        return request

    async def send(self, request: Request) -> CommandReply:
        """Send until decided."""
        pause_s = ASK_AGAIN_S
        while True:
            reply = await self._once(request.envelope)
            if reply is not None and reply.status in DECIDED:
                self._note(request, reply)
                return reply
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, ASK_AGAIN_MAX_S)

    def _note(self, request: Request, reply: CommandReply) -> None:
        if not request.replies:
            session, order = reply.result.get("session"), reply.result.get("order")
            if isinstance(session, dict):
                self.sessions[str(session["session_id"])] = session
            if isinstance(order, dict):
                self.orders[str(order["order_id"])] = order
            if reply.code == "session-finished":
                self._is_over(request)
        request.replies.append(reply)

    def _is_over(self, request: Request) -> None:
        """Time ended it; nobody has to tell the desk."""
        session_id = getattr(request.envelope.command, "session_id", "")
        known = self.sessions.get(session_id)
        if known is not None:
            self.sessions[session_id] = {**known, "status": "ENDED"}

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
