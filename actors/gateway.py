"""How an edge reaches the owner of a club: one call, one answer."""

from typing import Final, Protocol

from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus

ANSWERS: Final = frozenset({ReplyStatus.OK, ReplyStatus.REJECTED, ReplyStatus.OVERLOADED})
"""What ends a call; whatever else an owner says, it is asked for again."""


class CommandGateway(Protocol):
    """Delivers commands to whichever host owns the club.

    ``execute`` retries on moves of ownership and on dead hosts until ``timeout_ms`` of real time
    has passed, always with the same idempotency key, and then answers ``BUSY``. An owner that is
    ``OVERLOADED`` is not asked again. It never raises for a domain reason.
    """

    async def execute(self, envelope: CommandEnvelope, *, timeout_ms: int = 8_000) -> CommandReply:
        """Send one command and wait for its durable answer."""
