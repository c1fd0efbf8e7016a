"""Players as they travel over HTTP."""

from typing import Annotated

from pydantic import Field, StrictBool

from controller.api.catalogue_models import ShortName
from controller.api.models import Request, Wire
from schemas.commands import EntityId

Phone = Annotated[str, Field(min_length=5, max_length=32)]
Groups = Annotated[list[EntityId], Field(max_length=50)]


class CreatePlayerRequest(Request):
    """A new player of the chain. Without a phone nobody finds them by it; without an id one is
    drawn. A one-time guest is no player: the session has a label."""

    player_id: EntityId | None = None
    label: ShortName
    phone: Phone | None = None
    groups: Groups = Field(default_factory=list)
    auto_renewal: StrictBool = False


class UpdatePlayerRequest(Request):
    """What is to be changed; a `phone` of null takes it away."""

    label: ShortName | None = None
    phone: Phone | None = None
    groups: Groups | None = None
    auto_renewal: StrictBool | None = None


class PlayerProfile(Wire):
    """A player of the chain; `phone` in the form +491515550101."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    player_id: str
    label: str
    phone: str | None
    groups: list[str]
    auto_renewal: bool
