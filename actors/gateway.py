"""How an edge reaches the owner of a club: one call, one answer."""

from typing import Protocol

from schemas.commands import CommandEnvelope, CommandReply


class CommandGateway(Protocol):
    """Delivers commands to whichever host owns the club.

    ``execute`` retries on moves of ownership and on dead hosts until ``timeout_ms`` of real time
    has passed, always with the same idempotency key, and then answers ``BUSY``. It never
    raises for a domain reason.
    """

    async def execute(self, envelope: CommandEnvelope, *, timeout_ms: int = 8_000) -> CommandReply:
        """Send one command and wait for its durable answer."""
