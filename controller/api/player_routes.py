"""Players of the chain: made, read, changed. A number belongs to one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Response

from actors.store import EntityWrite, Scope, StoredEntity
from controller.api import player_models as wire
from controller.api.command_calls import PlayerId
from controller.api.credit import check_may_give_credit, with_credit
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import Edit, EditedVersion, InEdit, with_etag
from controller.api.editing import Edited, check_etag, etag_of_version
from controller.api.group_routes import check_groups
from controller.api.guard import GuardedRoute
from controller.api.models import Money
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.phones import normalised
from controller.api.problems import ProblemError
from controller.api.set_aside import player_in, read_or_quarantined
from schemas.catalogue import PhoneDocument, PlayerDocument

router = APIRouter(prefix=f"{API_PREFIX}/players", route_class=GuardedRoute)
_OWN = frozenset({"auto_renewal"})
"""What players change of themselves."""
_TOLD = ("groups", "auto_renewal", "credit_limits")
"""What the audit keeps of a change by value; names and numbers only by name."""


@router.post(
    "", operation_id="createPlayer", tags=["players"], status_code=201, responses=EDIT_PROBLEMS
)
async def create_player(edit: InEdit, asked: wire.CreatePlayerRequest) -> wire.PlayerProfile:
    """A new player of the chain, with an empty wallet."""
    player_id = asked.player_id or _drawn_id(edit)
    if asked.credit_limits:
        check_may_give_credit(edit.principal, "createPlayer.creditLimits")

    async def decide(directory: ChainDirectory) -> Edited:
        check_groups(directory, asked.groups)
        phone = _checked_phone(asked.phone)
        key = f"player:{player_id}"
        if await edit.rooms.given.store.documents(edit.principal.chain_id, [key]):
            raise ProblemError("id-taken", field="playerId")
        document = PlayerDocument(
            player_id=player_id,
            label=asked.label,
            phone=phone,
            groups=tuple(dict.fromkeys(asked.groups)),
            auto_renewal=asked.auto_renewal,
        )
        document = await _credited(edit, directory, document, asked=asked.credit_limits)
        phones = await _phone_writes(edit, player_id=player_id, before=None, after=phone)
        return _edited(document, 0, phones)

    changes = asked.model_dump(mode="json", exclude_unset=True)
    made = await edit.apply(
        "createPlayer",
        wire.PlayerProfile,
        changes,
        decide=decide,
        told=_told(player_id, changes),
    )
    edit.rooms.players.forget(edit.principal.chain_id)
    return made


@router.get("/{playerId}", operation_id="getPlayer", tags=["players"], responses=QUERY_PROBLEMS)
async def get_player(
    *, rooms: InRooms, principal: AsPrincipal, player_id: PlayerId, response: Response
) -> wire.PlayerProfile:
    """A player of the chain; for a player, themself."""
    key = f"player:{player_id}"
    found = (await rooms.given.store.documents(principal.chain_id, [key])).get(key)
    if found is None:
        raise ProblemError("player-not-found")
    return with_etag(response, _profile(player_in(found), found.version))


@router.patch("/{playerId}", operation_id="updatePlayer", tags=["players"], responses=EDIT_PROBLEMS)
async def update_player(
    *,
    edit: InEdit,
    player_id: PlayerId,
    asked: wire.UpdatePlayerRequest,
    if_match: EditedVersion = None,
) -> wire.PlayerProfile:
    """Change a player. A session of theirs goes on by what they are now, within a second. A player
    changes `autoRenewal` of their own and nothing else."""
    changes = asked.model_dump(exclude_unset=True)
    if edit.principal.player_id is not None and changes.keys() - _OWN:
        raise ProblemError("forbidden", "A player changes autoRenewal only.")
    limits = asked.credit_limits if "credit_limits" in changes else None
    if limits is not None:
        check_may_give_credit(edit.principal, "updatePlayer.creditLimits")

    async def decide(directory: ChainDirectory) -> Edited:
        key = f"player:{player_id}"
        found = (await edit.rooms.given.store.documents(edit.principal.chain_id, [key])).get(key)
        if found is None:
            raise ProblemError("player-not-found")
        check_etag(if_match, etag_of_version(found.version))
        before = player_in(found)
        after = _changed(before, changes)
        after = await _credited(edit, directory, after, asked=limits)
        check_groups(directory, set(after.groups) - set(before.groups))
        if after == before:
            return Edited(_profile(before, found.version), told=_told(player_id, {}))
        phones = await _phone_writes(
            edit, player_id=player_id, before=before.phone, after=after.phone
        )
        told = _told(player_id, _differing(before, after, changes))
        return replace(_edited(after, found.version, phones), told=told)

    in_full = {"player_id": player_id, **asked.model_dump(mode="json", exclude_unset=True)}
    changed = await edit.apply(
        "updatePlayer",
        wire.PlayerProfile,
        in_full,
        decide=decide,
        told=_told(player_id, changes),
    )
    edit.rooms.players.forget(edit.principal.chain_id)
    return changed


def _drawn_id(edit: Edit) -> str:
    """An id that follows from the request's key, so that a retry finds what the first made."""
    principal = edit.principal
    seed = f"{principal.chain_id}\n{principal.label}\n{edit.idempotency_key}"
    return f"pl-{sha256(seed.encode()).hexdigest()[:20]}"


def _changed(before: PlayerDocument, changes: Mapping[str, Any]) -> PlayerDocument:
    kept = {name: value for name, value in changes.items() if name != "credit_limits"}
    if "phone" in changes:
        kept["phone"] = _checked_phone(changes["phone"])
    elif before.phone is not None:
        # A number that was seeded as people write it takes its one form with the first edit.
        kept["phone"] = normalised(before.phone) or before.phone
    if "groups" in kept:
        kept["groups"] = tuple(dict.fromkeys(kept["groups"]))
    return before.model_copy(update=kept)


async def _credited(
    edit: Edit,
    directory: ChainDirectory,
    player: PlayerDocument,
    *,
    asked: Sequence[wire.CreditAsked] | None,
) -> PlayerDocument:
    if asked is None:
        return player
    store, chain_id = edit.rooms.given.store, edit.principal.chain_id
    return await with_credit(store, chain_id, player, asked=asked, directory=directory)


def _checked_phone(phone: str | None) -> str | None:
    if phone is None:
        return None
    found = normalised(phone)
    if found is None:
        raise ProblemError("phone-invalid", field="phone")
    return found


async def _phone_writes(
    edit: Edit, *, player_id: str, before: str | None, after: str | None
) -> tuple[EntityWrite, ...]:
    """Give the old number back and take the new one, in its one form. Raises ``phone-taken``.

    A number nobody has claimed may still be somebody's who was seeded with it.
    """
    old = None if before is None else normalised(before)
    if after in (before, old):
        return ()
    chain_id, players = edit.principal.chain_id, edit.rooms.players
    keys = {one: f"phone:{one}" for one in (old, after) if one is not None}
    stored = await edit.rooms.given.store.documents(chain_id, list(keys.values()))
    writes = []
    if after is not None:
        claim = stored.get(keys[after])
        holder = (
            await players.holder_of_phone(chain_id, after) if claim is None else _claimant(claim)
        )
        if holder not in (None, player_id):
            raise ProblemError("phone-taken", field="phone")
        if claim is None:
            blob = PhoneDocument(player_id=player_id).model_dump_json().encode()
            writes.append(EntityWrite(keys[after], 0, blob, Scope.CHAIN))
    released = None if old is None else stored.get(keys[old])
    if released is not None and _claimant(released) == player_id:
        writes.append(EntityWrite(released.key, released.version, None, Scope.CHAIN))
    return tuple(writes)


def _claimant(claim: StoredEntity) -> str:
    return read_or_quarantined(claim, PhoneDocument.model_validate_json).player_id


def _edited(player: PlayerDocument, version: int, phones: tuple[EntityWrite, ...]) -> Edited:
    blob = player.stored()
    write = EntityWrite(f"player:{player.player_id}", version, blob, Scope.CHAIN)
    return Edited(_profile(player, version + 1), documents=(write, *phones))


def _differing(
    before: PlayerDocument, after: PlayerDocument, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """What was asked for and was not so already."""
    return {
        name: value
        for name, value in changes.items()
        if getattr(before, name) != getattr(after, name)
    }


def _told(player_id: str, changes: Mapping[str, Any]) -> dict[str, object]:
    by_value = {name: changes[name] for name in _TOLD if name in changes}
    return {"player_id": player_id, "changed": sorted(changes), **by_value}


def _profile(player: PlayerDocument, version: int) -> wire.PlayerProfile:
    return wire.PlayerProfile(
        etag=etag_of_version(version),
        player_id=player.player_id,
        label=player.label,
        phone=player.phone,
        groups=list(player.groups),
        auto_renewal=player.auto_renewal,
        credit_limits=[
            Money(amount_minor=one.limit_minor, currency=one.currency)
            for one in player.credit_limits
            if one.limit_minor
        ],
    )
