"""What routes that hand in commands share: their parameters, and the way to a session's club."""

import re
from dataclasses import dataclass
from typing import Annotated, TypedDict

from fastapi import Depends, Header, Path

from controller.api import models
from controller.api.commands import CommandRequest, checked_key
from controller.api.dependencies import Rooms
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.api.sessions import club_of
from schemas.commands import CommandReply, EntityId, PaymentMeans, SessionCommand
from schemas.views import SessionView

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A key of your own for this request; a retry repeats it. Required.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The version of the session you have seen, as `"7"`; another one refuses.',
    ),
]


@dataclass(frozen=True, slots=True)
class CommandHeaders:
    """What the headers say about a command."""

    idempotency_key: IdempotencyKey = None
    if_match: IfMatch = None


SessionHeaders = Annotated[CommandHeaders, Depends()]
ClubId = Annotated[EntityId, Path(alias="clubId")]
SessionId = Annotated[EntityId, Path(alias="sessionId")]
OrderId = Annotated[EntityId, Path(alias="orderId")]
PcId = Annotated[EntityId, Path(alias="pcId")]
PlayerId = Annotated[EntityId, Path(alias="playerId")]


def version_in(if_match: str | None) -> int | None:
    """The version an If-Match names; None without one, or for any. Raises ``if-match-invalid``."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'"(\d{1,15})"', if_match.strip())
    if found is None:
        raise ProblemError("if-match-invalid", field="If-Match")
    return int(found[1])


async def on_session(
    rooms: Rooms,
    principal: Principal,
    headers: CommandHeaders,
    *,
    operation: str,
    command: SessionCommand,
) -> CommandReply:
    """Hand in a command about a session, at the club the session belongs to."""
    checked = checked_key(headers.idempotency_key)
    version = version_in(headers.if_match)
    club_id = await club_of(rooms.given, principal, command.session_id)
    if club_id is None:
        raise ProblemError("session-not-found")
    asked = command.model_dump(mode="json")
    request = CommandRequest(club_id, checked, operation, asked, command, expected_version=version)
    return await rooms.desk.execute(principal, request)


class Paid(TypedDict, total=False):
    """The payment fields of a command; none when nothing is put on the desk."""

    paid_minor: int
    means: PaymentMeans


def payment_in(payment: models.GuestPayment | None) -> Paid:
    """A guest's payment as the command has it."""
    if payment is None:
        return {}
    return {"paid_minor": payment.amount_minor, "means": PaymentMeans(payment.means)}


def session_in(reply: CommandReply) -> SessionView:
    """The session of an accepted command."""
    return SessionView.model_validate(reply.result["session"])
