"""Players as they travel over HTTP."""

from typing import Annotated

from pydantic import Field, StrictBool

from controller.api.catalogue_models import ShortName
from controller.api.changes import Kept
from controller.api.models import Minor, Money, Request, Wire
from schemas.catalogue import Currency
from schemas.commands import EntityId

Phone = Annotated[str, Field(min_length=5, max_length=32)]
Groups = Annotated[list[EntityId], Field(max_length=50)]


class CreditAsked(Request):
    """How far the wallet in one currency of the chain may go below nothing."""

    amount_minor: Minor
    currency: Currency


CreditLimits = Annotated[list[CreditAsked], Field(max_length=50)]


class CreatePlayerRequest(Request):
    """A new player of the chain. Without a phone nobody finds them by it; without an id one is
    drawn. A one-time guest is no player: the session has a label."""

    player_id: EntityId | None = None
    label: ShortName
    phone: Phone | None = None
    groups: Groups = Field(default_factory=list)
    auto_renewal: StrictBool = False
    credit_limits: CreditLimits = Field(default_factory=list)


class UpdatePlayerRequest(Request):
    """What is to be changed; a `phone` of null takes it away. `creditLimits` replaces all of them:
    wallets in currencies left out end at nothing, and an empty list takes all credit away."""

    label: Kept[ShortName] = None
    phone: Phone | None = None
    groups: Kept[Groups] = None
    auto_renewal: Kept[StrictBool] = None
    credit_limits: CreditLimits = Field(default_factory=list)


class PlayerProfile(Wire):
    """A player of the chain; `phone` in the form +491515550101."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    player_id: str
    label: str
    phone: str | None
    groups: list[str]
    auto_renewal: bool
    credit_limits: list[Money]
    """Without one a wallet ends at nothing."""
