"""Keys of the chain: made, listed, revoked. What is stored of a secret is its digest."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final, Literal

from fastapi import APIRouter

from actors.store import EntityWrite, Scope
from controller.api import staff_models as wire
from controller.api.auth import digest_of
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import Edit, InEdit, KeyId
from controller.api.editing import Edited, whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import InTurning
from controller.api.problems import ProblemError
from controller.api.staff_routes import check_clubs, check_grants
from controller.api.stored_keys import key_text, permissions_of
from controller.lists.held import Listing
from schemas.access import Role
from schemas.catalogue import ApiKeyDocument

router = APIRouter(prefix=f"{API_PREFIX}/api-keys", route_class=GuardedRoute)
_PREFIX = "apikey:"


KEYS: Final[Listing[ApiKeyDocument]] = Listing(
    row_id=lambda one: one.key_id,
    sorts={"createdAt": lambda one: one.created_at_ms, "name": lambda one: one.name},
)


@router.get("", operation_id="listApiKeys", tags=["keys"], responses=QUERY_PROBLEMS)
async def list_api_keys(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    revoked: bool | None = None,
    role: wire.StaffRoleName | None = None,
    sort: Literal["createdAt", "-createdAt", "name", "-name"] = "-createdAt",
) -> wire.ChainApiKeyList:
    """The chain's keys, the newest first unless told; revoked ones too, unless `revoked` says."""
    whole_chain_only(principal)
    ask = turning.asked(sort, revoked=revoked, role=role)
    stored = await rooms.given.store.documents_by_prefix(principal.chain_id, _PREFIX)
    wanted = (
        one
        for one in (ApiKeyDocument.model_validate_json(each.blob) for each in stored)
        if revoked in (None, one.revoked_at_ms is not None) and role in (None, one.role)
    )
    page, more = KEYS.page(wanted, ask)
    return wire.ChainApiKeyList(api_keys=[_shown(one) for one in page], next_cursor=more)


@router.post(
    "", operation_id="createApiKey", tags=["keys"], status_code=201, responses=EDIT_PROBLEMS
)
async def create_api_key(
    edit: InEdit, asked: wire.CreateApiKeyRequest
) -> wire.ChainApiKeyWithSecret:
    """A new key. The answer holds the secret, once: what is kept is a digest, so a repeated
    request cannot show it again."""
    principal = edit.principal
    whole_chain_only(principal)
    key_id = _drawn_id(edit)
    drawn = urlsafe_b64encode(edit.rooms.given.draw_secret()).decode().rstrip("=")
    secret = key_text(principal.chain_id, key_id, drawn)
    document = ApiKeyDocument(
        key_id=key_id,
        name=asked.name,
        sha256=digest_of(secret),
        role=Role(asked.role),
        scopes=tuple(sorted(set(asked.scopes))),
        club_ids=tuple(sorted(set(asked.club_ids))),
        channel=asked.channel,
        created_at_ms=edit.rooms.given.real_clock.wall_ms(),
    )

    async def decide(directory: ChainDirectory) -> Edited:
        check_clubs(directory, document.club_ids, "clubIds")
        check_grants(principal, [permissions_of(document)])
        if await edit.rooms.given.store.documents(principal.chain_id, [_PREFIX + key_id]):
            raise ProblemError("id-taken", field="Idempotency-Key")
        blob = document.model_dump_json().encode()
        write = EntityWrite(_PREFIX + key_id, 0, blob, Scope.CHAIN)
        answer = wire.ChainApiKeyWithSecret(**_shown(document).model_dump(), secret=None)
        return Edited(answer, documents=(write,))

    in_full = asked.model_dump(mode="json", exclude_unset=True)
    answer = await edit.apply("createApiKey", wire.ChainApiKeyWithSecret, in_full, decide=decide)
    kept = await edit.rooms.given.store.documents(principal.chain_id, [_PREFIX + key_id])
    made = ApiKeyDocument.model_validate_json(kept[_PREFIX + key_id].blob)
    is_ours = made.sha256 == document.sha256
    return answer.model_copy(update={"secret": secret if is_ours else None})


@router.post("/{keyId}/revoke", operation_id="revokeApiKey", tags=["keys"], responses=EDIT_PROBLEMS)
async def revoke_api_key(edit: InEdit, key_id: KeyId) -> wire.ChainApiKey:
    """End a key: the next request with it is nobody's."""
    whole_chain_only(edit.principal)
    now_ms = edit.rooms.given.real_clock.wall_ms()

    async def decide(_directory: ChainDirectory) -> Edited:
        key = _PREFIX + key_id
        found = (await edit.rooms.given.store.documents(edit.principal.chain_id, [key])).get(key)
        if found is None:
            raise ProblemError("api-key-not-found")
        document = ApiKeyDocument.model_validate_json(found.blob)
        check_grants(edit.principal, [permissions_of(document)])
        if document.revoked_at_ms is not None:
            return Edited(_shown(document))
        revoked = document.model_copy(update={"revoked_at_ms": now_ms})
        blob = revoked.model_dump_json().encode()
        write = EntityWrite(key, found.version, blob, Scope.CHAIN)
        return Edited(_shown(revoked), documents=(write,))

    in_full = {"key_id": key_id}
    return await edit.apply("revokeApiKey", wire.ChainApiKey, in_full, decide=decide)


def _drawn_id(edit: Edit) -> str:
    """An id that follows from the request's key, so that a retry finds what the first made."""
    principal = edit.principal
    seed = f"{principal.chain_id}\n{principal.label}\n{edit.idempotency_key}"
    return f"k-{sha256(seed.encode()).hexdigest()[:16]}"


def _shown(one: ApiKeyDocument) -> wire.ChainApiKey:
    revoked_at_ms = one.revoked_at_ms
    return wire.ChainApiKey(
        key_id=one.key_id,
        name=one.name,
        role=one.role,
        scopes=list(one.scopes),
        club_ids=list(one.club_ids),
        channel=one.channel,
        created_at=render_instant(one.created_at_ms),
        revoked_at=None if revoked_at_ms is None else render_instant(revoked_at_ms),
    )
