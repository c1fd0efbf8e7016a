"""The audit: who asked, from where, for what, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus
from schemas.views import AuditEntryView

BY_ITSELF: Final = "system"
"""The channel of what nobody asks for: a process sees that it is due."""
_PRIVATE = frozenset({"guest_label", "code_hash"})
"""What names a person who is no player stays in the session's own document; a hash of a short
code is as good as the code to whoever has time."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as the audit names them, how they speak to us and from where."""

    principal: str
    channel: str
    origin: str = ""

    def entry(
        self,
        operation: str,
        asked: Mapping[str, object],
        *,
        at_ms: int,
        club_id: str = "",
        idempotency_key: str = "",
        code: str | None = None,
        result: str | None = None,
    ) -> bytes:
        """One entry of a chain's audit; ``club_id`` empty: of the chain itself.

        Unless told otherwise ``result`` is that a decision was made: a refusal if it has a code.
        """
        decided = ReplyStatus.OK if code is None else ReplyStatus.REJECTED
        entry = AuditEntryView(
            at_ms=at_ms,
            club_id=club_id,
            principal=self.principal,
            channel=self.channel,
            origin=self.origin,
            operation=operation,
            idempotency_key=idempotency_key,
            asked=orjson.dumps(asked).decode(),
            result=result or decided.value,
            code=code,
        )
        return entry.model_dump_json().encode()


def audit_entry(envelope: CommandEnvelope, reply: CommandReply) -> bytes:
    """The entry of a command, written by the commit that makes the answer true."""
    command = envelope.command.model_dump(mode="json", exclude_none=True)
    kind = command.pop("kind")
    asker = Asker(envelope.principal, envelope.channel.value, envelope.origin)
    return asker.entry(
        kind,
        {name: value for name, value in command.items() if name not in _PRIVATE},
        at_ms=envelope.sent_at_ms,
        club_id=envelope.club_id,
        idempotency_key=envelope.idempotency_key,
        code=reply.code,
        result=reply.status.value,
    )
