"""People who work for the chain, and its keys, as they travel over HTTP."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from controller.api.catalogue_models import ShortName
from controller.api.changes import Kept
from controller.api.instants import Instant
from controller.api.models import Page, Request, Wire
from schemas.access import Permission, Role
from schemas.commands import Channel, EntityId

StaffRoleName = Literal[Role.OWNER, Role.ADMINISTRATOR, Role.CASHIER]
MAX_ROLES = 200


class RoleInClub(Request):
    """What somebody is in one club; without `clubId`, in every club of the chain."""

    role: StaffRoleName
    club_id: EntityId | None = None


Roles = Annotated[list[RoleInClub], Field(max_length=MAX_ROLES)]


class CreateStaffRequest(Request):
    """A person; `staffId` is the `sub` of the tokens they sign in with."""

    staff_id: EntityId
    name: ShortName
    roles: Roles = Field(default_factory=list)


class UpdateStaffRequest(Request):
    """What is to be changed. `roles` replaces all of them; `enabled` false ends access at once."""

    name: Kept[ShortName] = None
    roles: Kept[Roles] = None
    enabled: Kept[StrictBool] = None


class StaffMember(Wire):
    """Somebody who works for the chain."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    staff_id: str
    name: str
    roles: list[RoleInClub]
    enabled: bool


class StaffList(Page):
    """People who work for the chain, in the order asked for."""

    staff: list[StaffMember]


class CreateApiKeyRequest(Request):
    """What a new key may do: its role, narrowed by scopes and clubs if there are any."""

    name: ShortName
    role: StaffRoleName
    scopes: Annotated[list[Permission], Field(max_length=len(Permission))] = Field(
        default_factory=list
    )
    club_ids: Annotated[list[EntityId], Field(max_length=MAX_ROLES)] = Field(default_factory=list)
    channel: Channel = Channel.CRM


class ChainApiKey(Wire):
    """A key of the chain, without its secret."""

    key_id: str
    name: str
    role: StaffRoleName
    scopes: list[Permission]
    club_ids: list[str]
    channel: Channel
    created_at: Instant
    revoked_at: Instant | None


class ChainApiKeyWithSecret(ChainApiKey):
    """A new key. `secret` is what goes after `Bearer`; it is shown this once, and a repeated
    request answers null: revoke the key then and make another."""

    secret: str | None


class ChainApiKeyList(Page):
    """Keys of the chain in the order asked for, without those of the server's settings."""

    api_keys: list[ChainApiKey]
