"""What is configured as it travels over HTTP: the chain, clubs, zones, PCs, player groups.

In a change, a field that is left out stays as it is, and null clears one that may be empty.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from billing_core.outage import OutagePolicy
from controller.api.changes import Kept
from controller.api.models import MAX_MINOR, Page, Request, Wire
from schemas.catalogue import Currency, PcAdministrativeState
from schemas.commands import EntityId

Name = Annotated[str, Field(min_length=1, max_length=120)]
ShortName = Annotated[str, Field(min_length=1, max_length=60)]
PcName = Annotated[str, Field(min_length=1, max_length=30)]
Timezone = Annotated[str, Field(min_length=1, max_length=64)]
Position = Annotated[StrictInt, Field(ge=0, le=100_000)]
WarningMinutes = Annotated[StrictInt, Field(ge=1, le=240)]
LongMinutes = Annotated[StrictInt, Field(ge=1, le=7 * 24 * 60)]
WindowText = Annotated[str, Field(min_length=1, max_length=200)]
MAX_WINDOWS = 50
MAX_DATES = 400


class Opening(Request):
    """When something is open: any of the windows, in words (`mon-fri 10:00-22:00`), but not what
    begins on a closed date. Without windows: always."""

    windows: Annotated[list[WindowText], Field(max_length=MAX_WINDOWS)] = Field(
        default_factory=list
    )
    closed_dates: Annotated[list[date], Field(max_length=MAX_DATES)] = Field(default_factory=list)


class ClubTermsFields(Request):
    """A club's policies. Minutes are real ones; money is in minor units of the club."""

    ending_soon_minutes: WarningMinutes = 10
    """The first warning, before coverage ends."""
    needs_attention_minutes: WarningMinutes = 3
    """The second one."""
    low_balance_minor: Annotated[StrictInt, Field(ge=0, le=MAX_MINOR)] = 0
    """A player is warned below this; 0 never warns."""
    grace_seconds: Annotated[StrictInt, Field(ge=0, le=3_600)] = 0
    """How long a PC stays open after its coverage, not billed."""
    opening: Opening = Field(default_factory=Opening)
    no_show_minutes: LongMinutes | None = None
    """When a session nobody starts is over; null waits for ever."""
    offline_max_minutes: Annotated[StrictInt, Field(ge=1, le=24 * 60)] = 30
    """How long a PC stays open without the controller while money is open."""
    allows_parallel_sessions: StrictBool = False
    """A player may play on several PCs at once."""
    renews_from_wallet: StrictBool = False
    """Auto-renewal goes on from the wallet when no bought tariff fits."""
    players_pay_later: StrictBool = False
    """Players may open post-pay sessions themselves."""
    outages: OutagePolicy = OutagePolicy.CONTINUE
    """What becomes of time in which a PC provably did not serve its player."""
    credit_max_minutes: Annotated[StrictInt, Field(ge=0, le=7 * 24 * 60)] = 180
    """How much of a session comes back by itself; more is proposed to staff."""


class CreateClubRequest(ClubTermsFields):
    """A new club. Its id is part of every PC's address and unique in the installation, so it begins
    with the chain's id and a hyphen; without one it is drawn."""

    club_id: EntityId | None = None
    name: Name
    timezone: Timezone
    currency: Currency


class UpdateClubRequest(ClubTermsFields):
    """What is to be changed. The currency of a club is fixed."""

    name: Kept[Name] = None
    timezone: Kept[Timezone] = None


class ClubSettings(ClubTermsFields):
    """A club and all its policies."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    club_id: EntityId
    name: Name
    timezone: Timezone
    currency: Currency


class UpdateChainRequest(Request):
    """What is to be changed."""

    name: Kept[Name] = None


class Chain(Wire):
    """The chain the key belongs to."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    chain_id: str
    name: str


class ZoneFields(Request):
    """A zone: its place in the hall, what it sells, and limits of its own."""

    position: Position = 0
    tariff_ids: Annotated[list[EntityId], Field(max_length=500)] = Field(default_factory=list)
    """The tariffs it sells; none named: every tariff of the chain."""
    default_tariff_id: EntityId | None = None
    opening: Opening = Field(default_factory=Opening)
    longest_session_minutes: LongMinutes | None = None


class CreateZoneRequest(ZoneFields):
    """A new zone; its id is unique in the chain, because price rules name it."""

    zone_id: EntityId
    name: ShortName


class UpdateZoneRequest(ZoneFields):
    """What is to be changed. `archived` false brings an archived zone back."""

    name: Kept[ShortName] = None
    archived: StrictBool = False


class ZoneSettings(ZoneFields):
    """A zone."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    zone_id: EntityId
    club_id: EntityId
    name: ShortName
    archived: bool


class ZoneSettingsList(Page):
    """Zones of a club in the order asked for."""

    zones: list[ZoneSettings]


class CreatePcRequest(Request):
    """A new gaming PC; its id is part of its address and unique in the chain."""

    pc_id: EntityId
    zone_id: EntityId
    name: PcName
    position: Position = 0


class UpdatePcRequest(Request):
    """What is to be changed. A PC that a session is on cannot be retired."""

    zone_id: Kept[EntityId] = None
    name: Kept[PcName] = None
    position: Position = 0
    administrative_state: PcAdministrativeState = PcAdministrativeState.IN_SERVICE


class PcSettings(Wire):
    """A gaming PC as configured; the hall says what it does."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    pc_id: str
    club_id: str
    zone_id: str
    name: str
    position: int
    administrative_state: Literal["IN_SERVICE", "RETIRED"]


class PcSettingsList(Page):
    """PCs of a club in the order asked for."""

    pcs: list[PcSettings]


class CreateGroupRequest(Request):
    """A new group of players; tariffs name it by its id."""

    group_id: EntityId
    name: ShortName


class UpdateGroupRequest(Request):
    """What is to be changed."""

    name: Kept[ShortName] = None


class PlayerGroup(Wire):
    """A group of players that tariffs may be meant for."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    group_id: str
    name: str


class PlayerGroupList(Page):
    """Player groups of the chain in the order asked for."""

    groups: list[PlayerGroup]
