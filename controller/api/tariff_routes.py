"""Tariffs: drafted, checked, priced, published as versions that never change, laid to rest."""

import asyncio
from dataclasses import replace
from typing import Annotated, Final, Literal

import orjson
from fastapi import APIRouter, Query, Response

from billing_core.plain import tariff_to_dict
from billing_core.tariff import Tariff, TariffStatus, TariffType
from controller.api import tariff_models as wire
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import EditedVersion, InEdit, TariffId, with_etag
from controller.api.editing import Edited, check_etag, etag_of, whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import Id, InTurning, NameSort
from controller.api.problems import FieldError, ProblemError
from controller.api.tariff_rendering import (
    content_of,
    tariff_details,
    tariff_of,
    tariff_summaries,
    tariff_version,
)
from controller.api.tariffs_seen import sees_drafts, sold_in, tariffs_seen
from controller.catalogue_terms import club_terms
from controller.lists.held import Listing
from controller.tariff_review import ClubFinding, review

router = APIRouter(prefix=f"{API_PREFIX}/tariffs", route_class=GuardedRoute)
NO_VERSION = 0
"""The version of a draft."""


TARIFFS: Final[Listing[wire.TariffSummary]] = Listing(
    row_id=lambda one: one.tariff_id, sorts={"name": lambda one: one.name}
)
VERSIONS: Final[Listing[Tariff]] = Listing(
    row_id=lambda one: one.id, sorts={"version": lambda one: one.version}
)
_ARCHIVED: Final = TariffStatus.ARCHIVED


@router.get("", operation_id="listTariffs", tags=["tariffs"], responses=QUERY_PROBLEMS)
async def list_tariffs(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    status: TariffStatus | None = None,
    zone_id: Annotated[Id, Query(alias="zoneId")] = None,
    kind: Annotated[TariffType | None, Query(alias="type")] = None,
    sort: NameSort = "name",
) -> wire.TariffSummaryList:
    """The chain's tariffs by status, type, or the zone that sells them, archived ones only when
    asked for by `status`; drafts are shown to whoever sees the whole chain, and to players what is
    for sale to them."""
    ask = turning.asked(sort, status=status, zone=zone_id, type=kind)
    directory = await rooms.directory.chain(principal.chain_id, fresh=turning.is_first)
    drafts = directory.drafts if sees_drafts(principal) else {}
    sold = None if zone_id is None else sold_in(directory, principal, zone_id)
    page, more = TARIFFS.page(
        (
            one
            for one in tariff_summaries(tariffs_seen(directory, principal), drafts)
            if (one.status is status or (status is None and one.status is not _ARCHIVED))
            and kind in (None, one.type)
            and (sold is None or one.tariff_id in sold)
        ),
        ask,
    )
    return wire.TariffSummaryList(tariffs=page, next_cursor=more)


@router.post(
    "", operation_id="createTariff", tags=["tariffs"], status_code=201, responses=EDIT_PROBLEMS
)
async def create_tariff(edit: InEdit, asked: wire.CreateTariffRequest) -> wire.TariffDraft:
    """A new tariff, as a draft: nothing is sold before it is published."""
    whole_chain_only(edit.principal)
    tariff = tariff_of(asked.tariff_id, asked.content)

    async def decide(directory: ChainDirectory) -> Edited:
        if tariff.id in directory.tariffs or tariff.id in directory.drafts:
            raise ProblemError("id-taken", field="tariffId")
        return _drafted(directory, tariff)

    in_full = asked.model_dump(mode="json", exclude_unset=True)
    told = {"tariff_id": tariff.id, "name": tariff.name}
    return await edit.apply("createTariff", wire.TariffDraft, in_full, decide=decide, told=told)


@router.get("/{tariffId}", operation_id="getTariff", tags=["tariffs"], responses=QUERY_PROBLEMS)
async def get_tariff(
    *, rooms: InRooms, principal: AsPrincipal, tariff_id: TariffId, response: Response
) -> wire.TariffDetails:
    """The newest published version of a tariff."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    tariff = tariffs_seen(directory, principal).get(tariff_id)
    if tariff is None:
        raise ProblemError("tariff-not-found")
    return with_etag(response, tariff_details(directory, tariff, _etag(directory, tariff)))


@router.patch("/{tariffId}", operation_id="updateTariff", tags=["tariffs"], responses=EDIT_PROBLEMS)
async def update_tariff(
    *,
    edit: InEdit,
    tariff_id: TariffId,
    asked: wire.UpdateTariffRequest,
    if_match: EditedVersion = None,
) -> wire.TariffDetails:
    """Activate a tariff, take it off sale, or archive it: a new version with the same content.

    What runs under it goes on, and what was bought can be played. A zone's default cannot be
    archived.
    """
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        tariff = _published(directory, tariff_id)
        check_etag(if_match, _etag(directory, tariff))
        if asked.status is TariffStatus.ARCHIVED and _default_of(directory, tariff_id):
            raise ProblemError("tariff-in-use")
        if asked.status is tariff.status:
            return Edited(tariff_details(directory, tariff, _etag(directory, tariff)))
        after = replace(tariff, version=tariff.version + 1, status=asked.status)
        return _version_added(directory, after)

    told = {"tariff_id": tariff_id, "status": asked.status.value}
    return await edit.apply("updateTariff", wire.TariffDetails, told, decide=decide)


@router.get(
    "/{tariffId}/versions",
    operation_id="listTariffVersions",
    tags=["tariffs"],
    responses=QUERY_PROBLEMS,
)
async def list_tariff_versions(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    tariff_id: TariffId,
    sort: Literal["version", "-version"] = "-version",
) -> wire.TariffVersionList:
    """Every version of a tariff, the newest first unless told."""
    ask = turning.asked(sort)
    directory = await rooms.directory.chain(principal.chain_id, fresh=turning.is_first)
    if tariff_id not in tariffs_seen(directory, principal):
        raise ProblemError("tariff-not-found")
    found = (tariff for ref, tariff in directory.versions.items() if ref.id == tariff_id)
    page, more = VERSIONS.page(found, ask)
    return wire.TariffVersionList(
        versions=[tariff_version(tariff) for tariff in page], next_cursor=more
    )


@router.get(
    "/{tariffId}/draft", operation_id="getTariffDraft", tags=["tariffs"], responses=QUERY_PROBLEMS
)
async def get_tariff_draft(
    *, rooms: InRooms, principal: AsPrincipal, tariff_id: TariffId, response: Response
) -> wire.TariffDraft:
    """What the next version is to say: the draft, else the newest version to begin with."""
    whole_chain_only(principal)
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    return with_etag(response, _shown_draft(directory, tariff_id))


@router.put(
    "/{tariffId}/draft", operation_id="putTariffDraft", tags=["tariffs"], responses=EDIT_PROBLEMS
)
async def put_tariff_draft(
    *,
    edit: InEdit,
    tariff_id: TariffId,
    asked: wire.PutTariffDraftRequest,
    if_match: EditedVersion = None,
) -> wire.TariffDraft:
    """Write down what the next version is to say, whole. Nothing is sold by it yet."""
    whole_chain_only(edit.principal)
    tariff = tariff_of(tariff_id, asked.content)

    async def decide(directory: ChainDirectory) -> Edited:
        check_etag(if_match, _draft_etag(directory, tariff_id))
        return _drafted(directory, tariff)

    in_full = {"tariff_id": tariff_id, **asked.model_dump(mode="json", exclude_unset=True)}
    told = {"tariff_id": tariff_id}
    return await edit.apply("putTariffDraft", wire.TariffDraft, in_full, decide=decide, told=told)


@router.delete(
    "/{tariffId}/draft",
    operation_id="discardTariffDraft",
    tags=["tariffs"],
    responses=EDIT_PROBLEMS,
)
async def discard_tariff_draft(
    *, edit: InEdit, tariff_id: TariffId, if_match: EditedVersion = None
) -> wire.TariffDraft:
    """Throw a draft away; the answer is what it said. A tariff never published is gone then."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        shown = _shown_draft(directory, tariff_id)
        if tariff_id not in directory.drafts:
            raise ProblemError("draft-not-found")
        check_etag(if_match, shown.etag)
        if tariff_id not in directory.tariffs and _named_by_zones(directory, tariff_id):
            raise ProblemError("tariff-in-use")
        return Edited(shown, fields={f"draft:{tariff_id}": None})

    told = {"tariff_id": tariff_id}
    return await edit.apply("discardTariffDraft", wire.TariffDraft, told, decide=decide)


@router.post(
    "/{tariffId}/publish", operation_id="publishTariff", tags=["tariffs"], responses=EDIT_PROBLEMS
)
async def publish_tariff(
    *,
    edit: InEdit,
    tariff_id: TariffId,
    asked: wire.PublishTariffRequest | None = None,
    if_match: EditedVersion = None,
) -> wire.TariffDetails:
    """Make the draft the tariff's next version, if nothing contradicts itself in any club.

    Running sessions and bought time keep the version they began with.
    """
    whole_chain_only(edit.principal)
    status = TariffStatus(wire.PublishTariffRequest().status if asked is None else asked.status)

    async def decide(directory: ChainDirectory) -> Edited:
        if tariff_id not in directory.tariffs and tariff_id not in directory.drafts:
            raise ProblemError("tariff-not-found")
        draft = directory.drafts.get(tariff_id)
        if draft is None:
            raise ProblemError("draft-not-found")
        check_etag(if_match, _draft_etag(directory, tariff_id))
        _refuse_errors(await reviewed(edit.rooms, directory, draft))
        newest = directory.tariffs.get(tariff_id)
        version = 1 if newest is None else newest.version + 1
        added = _version_added(directory, replace(draft, version=version, status=status))
        return replace(
            added,
            answer=added.answer.model_copy(update={"has_draft": False}),
            fields={**added.fields, f"draft:{tariff_id}": None},
        )

    told = {"tariff_id": tariff_id, "status": status.value}
    return await edit.apply("publishTariff", wire.TariffDetails, told, decide=decide)


@router.get(
    "/{tariffId}/check", operation_id="checkTariff", tags=["tariffs"], responses=QUERY_PROBLEMS
)
async def check_tariff_now(
    rooms: InRooms, principal: AsPrincipal, tariff_id: TariffId
) -> wire.TariffCheck:
    """What is wrong with the draft (else the newest version) over a year, club by club."""
    whole_chain_only(principal)
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    tariff = directory.drafts.get(tariff_id) or _published(directory, tariff_id)
    return wire.TariffCheck(
        tariff_id=tariff_id,
        findings=[_finding(one) for one in await reviewed(rooms, directory, tariff)],
    )


async def reviewed(rooms: Rooms, directory: ChainDirectory, tariff: Tariff) -> list[ClubFinding]:
    """Findings about a tariff in the chain's clubs from now on."""
    clubs = [club_terms(club) for club in directory.clubs.values()]
    now_ms = rooms.given.clock.wall_ms()
    # A year of a large grid takes a while; halls go on meanwhile.
    return await asyncio.to_thread(review, tariff, clubs, directory.every_zone, from_ms=now_ms)


def _finding(one: ClubFinding) -> wire.TariffFinding:
    return wire.TariffFinding(
        severity=one.finding.severity.value,
        code=one.finding.code,
        field=one.finding.field,
        message=one.finding.message,
        club_id=one.club_id,
    )


def _refuse_errors(findings: list[ClubFinding]) -> None:
    errors = [one for one in findings if one.is_error]
    if not errors:
        return
    told = tuple(
        FieldError(f"content.{one.finding.field}", _words(one)) for one in dict.fromkeys(errors)
    )
    raise ProblemError("tariff-check-failed", told[0].message, field=told[0].field, errors=told)


def _words(one: ClubFinding) -> str:
    where = "" if one.club_id is None else f" in {one.club_id}"
    return f"{one.finding.message}{where} ({one.finding.code})"


def _drafted(directory: ChainDirectory, tariff: Tariff) -> Edited:
    draft = replace(tariff, version=NO_VERSION, status=TariffStatus.INACTIVE)
    raw = orjson.dumps(tariff_to_dict(draft))
    newest = directory.tariffs.get(draft.id)
    answer = _draft(draft, newest, etag_of(raw), is_saved=True)
    return Edited(answer, {f"draft:{draft.id}": raw})


def _draft(tariff: Tariff, newest: Tariff | None, etag: str, *, is_saved: bool) -> wire.TariffDraft:
    return wire.TariffDraft(
        etag=etag,
        tariff_id=tariff.id,
        based_on_version=None if newest is None else newest.version,
        is_saved=is_saved,
        content=content_of(tariff),
    )


def _shown_draft(directory: ChainDirectory, tariff_id: str) -> wire.TariffDraft:
    draft, newest = directory.drafts.get(tariff_id), directory.tariffs.get(tariff_id)
    shown = draft or newest
    if shown is None:
        raise ProblemError("tariff-not-found")
    etag = _draft_etag(directory, tariff_id)
    return _draft(shown, newest, etag, is_saved=draft is not None)


def _draft_etag(directory: ChainDirectory, tariff_id: str) -> str:
    raw = directory.raw.get(f"draft:{tariff_id}")
    if raw is not None:
        return etag_of(raw)
    return _etag(directory, _published(directory, tariff_id))


def _version_added(directory: ChainDirectory, tariff: Tariff) -> Edited:
    raw = orjson.dumps(tariff_to_dict(tariff))
    name = f"tariff:{tariff.id}:{tariff.version}"
    return Edited(tariff_details(directory, tariff, etag_of(raw)), {name: raw})


def _etag(directory: ChainDirectory, tariff: Tariff) -> str:
    return etag_of(directory.raw[f"tariff:{tariff.id}:{tariff.version}"])


def _published(directory: ChainDirectory, tariff_id: str) -> Tariff:
    tariff = directory.tariffs.get(tariff_id)
    if tariff is None:
        raise ProblemError("tariff-not-found")
    return tariff


def _default_of(directory: ChainDirectory, tariff_id: str) -> bool:
    zones = directory.every_zone.values()
    return any(zone.default_tariff_id == tariff_id and not zone.archived for zone in zones)


def _named_by_zones(directory: ChainDirectory, tariff_id: str) -> bool:
    zones = directory.every_zone.values()
    return any(tariff_id in (*zone.tariff_ids, zone.default_tariff_id) for zone in zones)
