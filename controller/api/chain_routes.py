"""The chain and its clubs as configured: read, made, changed."""

from fastapi import APIRouter, Response

from controller.api import catalogue_models as wire
from controller.api.catalogue_rendering import (
    changed_terms,
    checked_timezone,
    club_settings,
)
from controller.api.command_calls import ClubId
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import EditedVersion, InEdit, with_etag
from controller.api.editing import Edited, check_etag, etag_of, whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.club_ids import drawn_id, is_named_after
from schemas.catalogue import ChainDocument, ClubDocument

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute)
_TERMS = frozenset(wire.ClubTermsFields.model_fields)
_CHAIN = "chain"


@router.get("/chain", operation_id="getChain", tags=["clubs"], responses=QUERY_PROBLEMS)
async def get_chain(rooms: InRooms, principal: AsPrincipal, response: Response) -> wire.Chain:
    """The chain the key belongs to; the `ETag` is its version."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    chain = _chain(directory, principal)
    etag = _etag_of_chain(directory)
    shown = wire.Chain(etag=etag, chain_id=chain.chain_id, name=chain.name)
    return with_etag(response, shown)


@router.patch("/chain", operation_id="updateChain", tags=["clubs"], responses=EDIT_PROBLEMS)
async def update_chain(
    edit: InEdit, asked: wire.UpdateChainRequest, if_match: EditedVersion = None
) -> wire.Chain:
    """Rename the chain."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        check_etag(if_match, _etag_of_chain(directory))
        before = _chain(directory, edit.principal)
        after = before.model_copy(update=asked.model_dump(exclude_unset=True))
        raw = after.model_dump_json().encode()
        answer = wire.Chain(etag=etag_of(raw), chain_id=after.chain_id, name=after.name)
        return Edited(answer, {_CHAIN: raw})

    changes = asked.model_dump(mode="json", exclude_unset=True)
    return await edit.apply("updateChain", wire.Chain, changes, decide=decide)


@router.post(
    "/clubs", operation_id="createClub", tags=["clubs"], status_code=201, responses=EDIT_PROBLEMS
)
async def create_club(edit: InEdit, asked: wire.CreateClubRequest) -> wire.ClubSettings:
    """A new club of the chain, with no zone and no PC yet."""
    whole_chain_only(edit.principal)
    chain_id = edit.principal.chain_id
    club_id = asked.club_id or drawn_id(chain_id, f"{edit.principal.label}\n{edit.idempotency_key}")

    async def decide(directory: ChainDirectory) -> Edited:
        if club_id in directory.clubs:
            raise ProblemError("id-taken", field="clubId")
        if not is_named_after(chain_id, club_id):
            raise ProblemError("club-id-not-of-chain", field="clubId")
        empty = ClubDocument(
            club_id=club_id,
            name=asked.name,
            timezone=checked_timezone(asked.timezone),
            currency=asked.currency,
        )
        terms = asked.model_dump(exclude_unset=True, include=set(_TERMS))
        return _club_edited(empty.model_copy(update={"terms": changed_terms(empty, terms)}))

    return await edit.apply(
        "createClub",
        wire.ClubSettings,
        asked.model_dump(mode="json", exclude_unset=True),
        decide=decide,
        club_id=club_id,
    )


@router.get(
    "/clubs/{clubId}/settings",
    operation_id="getClubSettings",
    tags=["clubs"],
    responses=QUERY_PROBLEMS,
)
async def get_club_settings(
    *, rooms: InRooms, principal: AsPrincipal, club_id: ClubId, response: Response
) -> wire.ClubSettings:
    """A club and every policy of it; the `ETag` is the version."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    club = directory.club(club_id)
    etag = etag_of(directory.raw[f"club:{club_id}"])
    return with_etag(response, club_settings(club, etag))


@router.patch(
    "/clubs/{clubId}/settings",
    operation_id="updateClubSettings",
    tags=["clubs"],
    responses=EDIT_PROBLEMS,
)
async def update_club_settings(
    *,
    edit: InEdit,
    club_id: ClubId,
    asked: wire.UpdateClubRequest,
    if_match: EditedVersion = None,
) -> wire.ClubSettings:
    """Change a club. Hosts obey within a second, running sessions included."""

    async def decide(directory: ChainDirectory) -> Edited:
        club = directory.club(club_id)
        check_etag(if_match, etag_of(directory.raw[f"club:{club_id}"]))
        named = asked.model_dump(include={"name", "timezone"}, exclude_unset=True)
        if "timezone" in named:
            checked_timezone(named["timezone"])
        club = club.model_copy(update=named)
        terms = asked.model_dump(exclude_unset=True, include=set(_TERMS))
        return _club_edited(club.model_copy(update={"terms": changed_terms(club, terms)}))

    changes = asked.model_dump(mode="json", exclude_unset=True)
    return await edit.apply(
        "updateClubSettings",
        wire.ClubSettings,
        {"club_id": club_id, **changes},
        decide=decide,
        club_id=club_id,
    )


def _club_edited(club: ClubDocument) -> Edited:
    raw = club.model_dump_json().encode()
    return Edited(club_settings(club, etag_of(raw)), {f"club:{club.club_id}": raw})


def _chain(directory: ChainDirectory, principal: Principal) -> ChainDocument:
    raw = directory.raw.get(_CHAIN)
    if raw is None:
        return ChainDocument(chain_id=principal.chain_id, name=principal.chain_id)
    return ChainDocument.model_validate_json(raw)


def _etag_of_chain(directory: ChainDirectory) -> str:
    return etag_of(directory.raw.get(_CHAIN, b""))
