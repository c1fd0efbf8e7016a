"""The desk where commands are handed in: one key, one effect, one answer.

An equal request that arrives while the first is being decided waits for the same answer. The
store gives the first answer again for two days, whichever process is asked.
"""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from actors.clock import Clock
from actors.gateway import CommandGateway
from controller.api.principal import Principal
from controller.api.problems import Noting, ProblemError
from schemas.commands import Command, CommandEnvelope, CommandReply, ReplyStatus

COMMAND_TIMEOUT_MS: Final = 8_000
MAX_IDEMPOTENCY_KEY_CHARACTERS: Final = 128
MAX_COMMANDS_IN_FLIGHT_PER_KEY: Final = 128
MAX_COMMANDS_IN_FLIGHT: Final = 1_024
MAX_EQUAL_REQUESTS_WAITING: Final = 64


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """One command to hand in: for which club, under which key, and what was asked in full."""

    club_id: str
    idempotency_key: str
    operation: str
    asked: object
    command: Command
    expected_version: int | None = None


@dataclass(slots=True)
class _Flight:
    fingerprint: str
    answer: "asyncio.Task[CommandReply]"
    waiting: int = 1


def checked_key(key: str | None) -> str:
    """The Idempotency-Key as sent. Raises ``idempotency-key-missing`` or ``-invalid``."""
    if key is None or not key.strip():
        raise ProblemError("idempotency-key-missing", field="Idempotency-Key")
    key = key.strip()
    if len(key) > MAX_IDEMPOTENCY_KEY_CHARACTERS or not all("!" <= each <= "~" for each in key):
        raise ProblemError("idempotency-key-invalid", field="Idempotency-Key")
    return key


def fingerprint_of(operation: str, asked: object) -> str:
    """A digest of what was asked, the same for equal requests whatever order their fields had."""
    canonical = orjson.dumps([operation, asked], option=orjson.OPT_SORT_KEYS)
    return sha256(canonical).hexdigest()


_NOT_KEPT: Final = frozenset(
    {"idempotency-key-reused", "balance-out-of-range", "internal-error", "quarantined"}
)
"""Refusals of a host that no commit could keep, and so no audit beside it."""


class CommandDesk:
    """Hands commands to the gateway, equal ones once."""

    def __init__(self, gateway: CommandGateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._open_by_principal: dict[Principal, int] = {}

    async def execute(self, principal: Principal, asked: CommandRequest) -> CommandReply:
        """The durable answer to the command, accepted.

        Raises ProblemError for every other answer: the domain's refusals under their own code,
        ``busy`` when no owner answered in time, ``overloaded`` when one refused to queue it.
        """
        fingerprint = fingerprint_of(asked.operation, asked.asked)
        key = f"api:{principal.label}:{asked.idempotency_key}"
        flight = self._flights.get((principal.chain_id, key))
        if flight is not None:
            reply = await self._join(flight, fingerprint)
        else:
            envelope = CommandEnvelope(
                chain_id=principal.chain_id,
                club_id=asked.club_id,
                idempotency_key=key,
                fingerprint=fingerprint,
                principal=principal.label,
                channel=principal.channel,
                origin=principal.origin,
                sent_at_ms=self._clock.wall_ms(),
                expected_version=asked.expected_version,
                command=asked.command,
            )
            reply = await self._take_off(principal, envelope)
        if reply.status is ReplyStatus.OK:
            return reply
        raise _refusal(reply)

    async def _join(self, flight: _Flight, fingerprint: str) -> CommandReply:
        if flight.fingerprint != fingerprint:
            raise ProblemError("idempotency-key-reused", field="Idempotency-Key")
        if flight.waiting >= MAX_EQUAL_REQUESTS_WAITING:
            raise ProblemError("idempotency-key-in-flight", field="Idempotency-Key")
        flight.waiting += 1
        return await asyncio.shield(flight.answer)

    async def _take_off(self, principal: Principal, envelope: CommandEnvelope) -> CommandReply:
        if len(self._flights) >= MAX_COMMANDS_IN_FLIGHT:
            raise ProblemError("overloaded")
        open_now = self._open_by_principal.get(principal, 0)
        if open_now >= MAX_COMMANDS_IN_FLIGHT_PER_KEY:
            raise ProblemError("too-many-requests")
        self._open_by_principal[principal] = open_now + 1
        answer = asyncio.create_task(
            self._gateway.execute(envelope, timeout_ms=COMMAND_TIMEOUT_MS), name="command"
        )
        name = (principal.chain_id, envelope.idempotency_key)
        self._flights[name] = _Flight(envelope.fingerprint, answer)
        answer.add_done_callback(lambda _: self._land(principal, name))
        # A caller that hangs up must not take the command down with it.
        return await asyncio.shield(answer)

    def _land(self, principal: Principal, name: tuple[str, str]) -> None:
        del self._flights[name]
        left = self._open_by_principal[principal] - 1
        if left:
            self._open_by_principal[principal] = left
        else:
            del self._open_by_principal[principal]


def _refusal(reply: CommandReply) -> ProblemError:
    if reply.status is ReplyStatus.REJECTED and reply.code is not None:
        field = None if reply.field is None else _request_field(reply.field)
        noting = Noting.DUE if reply.code in _NOT_KEPT else Noting.DONE
        return ProblemError(reply.code, reply.message, field=field, noting=noting)
    if reply.status is ReplyStatus.OVERLOADED:
        return ProblemError("overloaded")
    return ProblemError("busy")


def _request_field(name: str) -> str:
    """A command's field as the caller knows it."""
    if name == "paid_minor":
        return "payment.amountMinor"
    name = name.removesuffix("_ms")
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
