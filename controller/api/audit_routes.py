"""The audit over HTTP: who asked for what from where, and what came of it."""

from collections.abc import Sequence
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import JsonValue

from actors.store import StreamEntry
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.editing import whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.instants import Instant, render_instant
from controller.api.models import Wire
from controller.api.openapi import API_PREFIX, QUERY_PROBLEMS
from controller.archive.audit_rows import audit_page
from schemas.commands import EntityId
from schemas.views import AuditEntryView

MAX_PAGE: Final = 200
MAX_PAGES_READ: Final = 10
"""Entries of other clubs are passed over; a page may be short, and its cursor still leads on."""

Before = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$")]
"""Numbers that the store and every database take."""

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, responses=QUERY_PROBLEMS)


class AuditEntry(Wire):
    """One command; ``asked`` is what was asked for, in the fields of the command."""

    entry_id: str
    at: Instant
    principal: str
    channel: str
    origin: str
    operation: str
    asked: dict[str, JsonValue]
    result: str
    code: str | None


class AuditPage(Wire):
    """Entries of one club, newest first; ``before`` asks for the next page, null at the end."""

    entries: list[AuditEntry]
    before: str | None


class ChainAuditEntry(AuditEntry):
    """One change or command of any club; `clubId` null: of the chain itself."""

    club_id: str | None


class ChainAuditPage(Wire):
    """Entries of the whole chain, newest first; ``before`` asks for the next page."""

    entries: list[ChainAuditEntry]
    before: str | None


@router.get("/clubs/{clubId}/audit", operation_id="listAudit", tags=["audit"])
async def list_audit(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: Annotated[EntityId, Path(alias="clubId")],
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> AuditPage:
    """Every command of the club with its speaker and its result, the newest first."""
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    entries: list[AuditEntry] = []
    for _ in range(MAX_PAGES_READ):
        found = await _entries(rooms, principal.chain_id, before=before, count=MAX_PAGE)
        for stored in found:
            view = AuditEntryView.model_validate_json(stored.payload)
            before = stored.entry_id
            if view.club_id == club_id:
                entries.append(_entry(stored.entry_id, view))
            if len(entries) == limit:
                return AuditPage(entries=entries, before=before)
        if len(found) < MAX_PAGE:
            return AuditPage(entries=entries, before=None)
    return AuditPage(entries=entries, before=before)


@router.get("/audit", operation_id="listChainAudit", tags=["audit"])
async def list_chain_audit(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> ChainAuditPage:
    """Every command and every change of the chain, its clubs, tariffs, players and staff."""
    whole_chain_only(principal)
    found = await _entries(rooms, principal.chain_id, before=before, count=limit)
    entries = []
    for stored in found:
        view = AuditEntryView.model_validate_json(stored.payload)
        shown = _entry(stored.entry_id, view).model_dump()
        entries.append(ChainAuditEntry(**shown, club_id=view.club_id or None))
    last = found[-1].entry_id if len(found) == limit else None
    return ChainAuditPage(entries=entries, before=last)


async def _entries(
    rooms: Rooms, chain_id: str, *, before: str | None, count: int
) -> Sequence[StreamEntry]:
    """Newest first: from the store, and from the archive what has left it."""
    found = await rooms.given.store.audit(chain_id, before=before, count=count)
    if len(found) == count or rooms.given.archived is None:
        return found
    older = await rooms.given.archived.look(
        audit_page,
        chain_id,
        club_id=None,
        before=found[-1].entry_id if found else before,
        count=count - len(found),
    )
    return [*found, *older]


def _entry(entry_id: str, view: AuditEntryView) -> AuditEntry:
    return AuditEntry(
        entry_id=entry_id,
        at=render_instant(view.at_ms),
        principal=view.principal,
        channel=view.channel,
        origin=view.origin,
        operation=view.operation,
        asked=orjson.loads(view.asked),
        result=view.result,
        code=view.code,
    )
