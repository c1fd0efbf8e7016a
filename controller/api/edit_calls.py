"""What routes that edit share: their headers, and the way to the desk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Response

from controller.api.command_calls import IdempotencyKey
from controller.api.commands import checked_key
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.editing import Decide, EditRequest
from controller.api.models import Wire
from schemas.commands import EntityId

A = TypeVar("A", bound=Wire)

EditedVersion = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of what you have read, or `*`. Required.",
    ),
]
ZoneId = Annotated[EntityId, Path(alias="zoneId")]
TariffId = Annotated[EntityId, Path(alias="tariffId")]
GroupId = Annotated[EntityId, Path(alias="groupId")]
StaffId = Annotated[EntityId, Path(alias="staffId")]
KeyId = Annotated[EntityId, Path(alias="keyId")]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit under way: who speaks, what the headers say, where the answer goes."""

    rooms: InRooms
    principal: AsPrincipal
    response: Response
    idempotency_key: IdempotencyKey = None

    async def apply(
        self,
        operation: str,
        kind: type[A],
        asked: Mapping[str, Any],
        *,
        decide: Decide,
        told: Mapping[str, object] | None = None,
        club_id: str = "",
    ) -> A:
        """The answer, with its ETag in the header. ``told`` is what the audit keeps of ``asked``.

        Raises ProblemError.
        """
        request = EditRequest(
            operation,
            checked_key(self.idempotency_key),
            asked,
            asked if told is None else told,
            club_id,
        )
        answer = await self.rooms.edits.apply(self.principal, request, kind, decide=decide)
        return with_etag(self.response, answer)


def with_etag(response: Response, answer: A) -> A:
    """The answer, its version said in the header too."""
    etag = getattr(answer, "etag", None)
    if etag is not None:
        response.headers["ETag"] = etag
    return answer


InEdit = Annotated[Edit, Depends()]
