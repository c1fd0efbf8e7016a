"""A rejection as a value: a stable code, words, and the request field it is about."""

from dataclasses import dataclass
from typing import Final

from billing_core.rejection import Rejected
from schemas.commands import CommandReply, ReplyStatus

_WIRE_FIELDS = {"tariff": "tariff_id", "wallet": "player_id"}

INTERNAL_ERROR: Final = CommandReply(
    status=ReplyStatus.REJECTED,
    code="internal-error",
    message="the command failed; nothing changed",
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rejection of this room or of the billing core, ready to be answered."""

    code: str
    message: str
    field: str | None = None

    @property
    def reply(self) -> CommandReply:
        """The answer to the caller."""
        return CommandReply(
            status=ReplyStatus.REJECTED, code=self.code, message=self.message, field=self.field
        )


def refused_by_billing(rejected: Rejected) -> Refusal:
    """The billing core's word under the names of the wire."""
    field = None if rejected.field is None else _WIRE_FIELDS.get(rejected.field, rejected.field)
    return Refusal(rejected.code.value, rejected.message, field)
