"""The audit over HTTP: who asked for what from where, and what came of it."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query
from pydantic import JsonValue

from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.editing import whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.instants import Instant, render_instant
from controller.api.models import Page, Wire
from controller.api.openapi import API_PREFIX, QUERY_PROBLEMS
from controller.api.paging import Id, InstantAsked, InTurning, Turning, at_ms, listed
from controller.api.problems import ProblemError
from controller.archive.audit_rows import AuditFilter
from controller.lists.audit_list import AuditList, ListedEntry
from controller.lists.cursors import NUL
from schemas.commands import EntityId

Sort = Literal["-at"]


@dataclass(frozen=True, slots=True)
class AuditAsked:
    """The filters of an audit."""

    principal_label: Annotated[
        str | None,
        Query(alias="principal", max_length=160, description="Who asked, as entries name them."),
    ] = None
    operation: Annotated[
        list[str] | None,
        Query(max_length=50, description="Operation ids of this API, such as `endSession`."),
    ] = None
    result: Annotated[
        Literal["ok", "rejected", "refused"] | None,
        Query(
            description="`rejected`: decided and answered with a refusal; `refused`: turned away"
            " before anything was decided."
        ),
    ] = None
    target: Annotated[
        Id,
        Query(description="An id named in what was asked for: a session, a player, a tariff."),
    ] = None
    from_: Annotated[InstantAsked, Query(alias="from")] = None
    to: InstantAsked = None

    def filter(self, club_id: str | None) -> AuditFilter:
        """The filter. Raises ProblemError ``invalid-request``."""
        for name in (self.principal_label, *(self.operation or ())):
            if name is not None and NUL in name:
                raise ProblemError("invalid-request", "no NUL in a name")
        return AuditFilter(
            club_id=club_id,
            principal=self.principal_label,
            operations=None if self.operation is None else frozenset(self.operation),
            result=self.result,
            target=self.target,
            from_ms=at_ms("from", self.from_),
            until_ms=at_ms("to", self.to),
        )


InAuditAsked = Annotated[AuditAsked, Depends()]

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, responses=QUERY_PROBLEMS)


class AuditEntry(Wire):
    """One command or change, by the id of its operation; ``asked`` is what was asked for, in the
    fields of the command."""

    entry_id: str
    at: Instant
    principal: str
    channel: str
    origin: str
    operation: str
    asked: dict[str, JsonValue]
    result: str
    code: str | None


class AuditPage(Page):
    """Entries of one club, newest first."""

    entries: list[AuditEntry]


class ChainAuditEntry(AuditEntry):
    """One change or command of any club; `clubId` null: of the chain itself."""

    club_id: str | None


class ChainAuditPage(Page):
    """Entries of the whole chain, newest first."""

    entries: list[ChainAuditEntry]


@router.get("/clubs/{clubId}/audit", operation_id="listAudit", tags=["audit"])
async def list_audit(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: Annotated[EntityId, Path(alias="clubId")],
    asked: InAuditAsked,
    sort: Sort = "-at",
) -> AuditPage:
    """Every command of the club with its speaker and its result, the newest first: by who asked,
    operation, result, an id named in it (`target`) and period.

    A page may be shorter than `limit`, even empty, and lead on: so many entries are looked through
    at a time.
    """
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    page, more = await _page(rooms, turning, asked.filter(club_id), sort=sort)
    return AuditPage(entries=[_entry(one) for one in page], next_cursor=more)


@router.get("/audit", operation_id="listChainAudit", tags=["audit"])
async def list_chain_audit(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: Annotated[Id, Query(alias="clubId")] = None,
    asked: InAuditAsked,
    sort: Sort = "-at",
) -> ChainAuditPage:
    """Every command and every change of the chain, its clubs, tariffs, players and staff, with the
    filters of a club's audit."""
    whole_chain_only(principal)
    page, more = await _page(rooms, turning, asked.filter(club_id), sort=sort)
    entries = [
        ChainAuditEntry(**_entry(one).model_dump(), club_id=one.view.club_id or None)
        for one in page
    ]
    return ChainAuditPage(entries=entries, next_cursor=more)


async def _page(
    rooms: Rooms, turning: Turning, wanted: AuditFilter, *, sort: str
) -> tuple[list[ListedEntry], str | None]:
    ask = turning.asked(sort, **asdict(wanted))
    listing = AuditList(rooms.given.store, rooms.given.archived)
    return await listed(listing.page(turning.principal.chain_id, wanted, ask=ask))


def _entry(one: ListedEntry) -> AuditEntry:
    view = one.view
    return AuditEntry(
        entry_id=one.entry_id,
        at=render_instant(view.at_ms),
        principal=view.principal,
        channel=view.channel,
        origin=view.origin,
        operation=view.operation,
        asked=orjson.loads(view.asked),
        result=view.result,
        code=view.code,
    )
