"""Keys and people that a chain keeps itself, beside the keys of the server's settings.

A key's text is ``clubctl~<chain>~<key id>~<secret>``: it says where its digest is, so each
request reads one document, and a revoked key is nobody's from the next request on.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from actors.store import ReadModels
from controller.api.auth import MAX_KEY_CHARACTERS, ApiKey, digest_of
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from schemas.access import ROLE_PERMISSIONS, Permission
from schemas.catalogue import ApiKeyDocument, StaffDocument, StaffRole

KEY_PREFIX: Final = "clubctl~"
_PARTS: Final = 4
_ID: Final = re.compile(r"k-[0-9a-f]{16}")


def key_text(chain_id: str, key_id: str, secret: str) -> str:
    """What goes after ``Bearer``."""
    return f"{KEY_PREFIX}{chain_id}~{key_id}~{secret}"


def is_stored(name: str) -> bool:
    """Whether a key of this name is one that a chain keeps: ids of entities, nothing else."""
    return _ID.fullmatch(name) is not None


def permissions_of(document: ApiKeyDocument) -> frozenset[Permission]:
    """What a key may do: its role, narrowed by its scopes."""
    allowed = ROLE_PERMISSIONS[document.role]
    return allowed & frozenset(document.scopes) if document.scopes else allowed


class StoredKeys:
    """Looks up keys and people in the store, as they are now."""

    def __init__(self, store: ReadModels) -> None:
        self._store = store

    async def holder_of(self, text: str) -> ApiKey | None:
        """The key with this text, unless there is none or it is revoked."""
        parts = text.split("~")
        if len(text) > MAX_KEY_CHARACTERS or len(parts) != _PARTS or not all(parts):
            return None
        key = await self.named(parts[1], parts[2])
        if key is None or not hmac.compare_digest(key.sha256, digest_of(text)):
            return None
        return key

    async def named(self, chain_id: str, key_id: str) -> ApiKey | None:
        """The chain's key of this id, unless it is revoked."""
        if not is_stored(key_id):
            return None
        name = f"apikey:{key_id}"
        found = (await self._store.documents(chain_id, [name])).get(name)
        if found is None:
            return None
        document = ApiKeyDocument.model_validate_json(found.blob)
        if document.revoked_at_ms is not None:
            return None
        return ApiKey(
            chain_id,
            key_id,
            document.sha256,
            permissions=permissions_of(document),
            club_ids=frozenset(document.club_ids) or None,
            channel=document.channel,
        )

    async def as_employed(self, principal: Principal) -> Principal:
        """Somebody with a token: with the roles the token names, else with those kept here.

        Raises ProblemError ``forbidden`` for somebody switched off, or without any role.
        """
        name = f"staff:{principal.name}"
        found = (await self._store.documents(principal.chain_id, [name])).get(name)
        person = None if found is None else StaffDocument.model_validate_json(found.blob)
        if person is not None and not person.enabled:
            raise ProblemError("forbidden", "This person's access was ended.")
        if principal.permissions:
            return principal
        if person is None or not person.roles:
            raise ProblemError("forbidden", "Nobody gave this person a role.")
        return with_roles(principal, person.roles)


def with_roles(principal: Principal, roles: Iterable[StaffRole]) -> Principal:
    """The principal with what each role allows in its club; one for the chain holds in all."""
    by_club: dict[str, frozenset[Permission]] = {}
    everywhere: frozenset[Permission] = frozenset()
    for one in roles:
        if one.club_id is None:
            everywhere = ROLE_PERMISSIONS[one.role]
        else:
            by_club[one.club_id] = ROLE_PERMISSIONS[one.role]
    return replace(
        principal,
        permissions=everywhere,
        club_permissions=tuple((club_id, by_club[club_id]) for club_id in sorted(by_club)),
    )
