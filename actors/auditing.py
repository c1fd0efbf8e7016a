"""The audit: for every command who asked, from where, for what, and what came of it."""

import orjson

from schemas.commands import CommandEnvelope, CommandReply
from schemas.views import AuditEntryView

_PRIVATE = frozenset({"guest_label", "code_hash"})
"""What names a person who is no player stays in the session's own document; a hash of a short
code is as good as the code to whoever has time."""


def audit_entry(envelope: CommandEnvelope, reply: CommandReply) -> bytes:
    """One entry, written by the commit that makes the answer true."""
    command = envelope.command.model_dump(mode="json", exclude_none=True)
    kind = command.pop("kind")
    entry = AuditEntryView(
        at_ms=envelope.sent_at_ms,
        club_id=envelope.club_id,
        principal=envelope.principal,
        channel=envelope.channel.value,
        origin=envelope.origin,
        operation=kind,
        idempotency_key=envelope.idempotency_key,
        asked=orjson.dumps(
            {name: value for name, value in command.items() if name not in _PRIVATE}
        ).decode(),
        result=reply.status.value,
        code=reply.code,
    )
    return entry.model_dump_json().encode()
