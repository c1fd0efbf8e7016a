"""What travels over HTTP: camel case, RFC 3339, money as integer minor units with its currency.

Requests are strict: unknown fields, numbers as text and local times are refused by name.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator
from pydantic.alias_generators import to_camel

from controller.api.instants import Instant, InstantMs
from schemas.commands import MAX_PAID_MINOR, EntityId
from schemas.views import LinkState, UseState


class Wire(BaseModel, use_attribute_docstrings=True):
    """Answers leave out what a newer host tells and this edge does not know yet."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True
    )


class Request(Wire):
    """Requests are strict: what nobody knows is refused by name."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False, validate_by_alias=True)


MAX_MINOR = MAX_PAID_MINOR
PositiveMinor = Annotated[StrictInt, Field(gt=0, le=MAX_MINOR)]
Minor = Annotated[StrictInt, Field(ge=0, le=MAX_MINOR)]


class GuestPayment(Request):
    """What a guest puts on the desk for this session; the rest is given back at its end."""

    amount_minor: PositiveMinor
    means: Literal["cash", "card"] = "cash"


class CreateSessionRequest(Request):
    """Who plays where under which tariff: exactly one of playerId and guestLabel.

    With playerTariffId the session draws from what the player has bought. Without it and without
    tariffId the zone chooses: the tariff of one of the player's groups, else its default.
    """

    pc_id: EntityId
    tariff_id: EntityId | None = None
    player_tariff_id: EntityId | None = None
    mode: Literal["PREPAID", "OPEN_ENDED"] = "PREPAID"
    """OPEN_ENDED is paid after the end, for the time played, through the session's order."""
    player_id: EntityId | None = None
    guest_label: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    planned_start_at: InstantMs | None = None
    """When the session is planned to start; now if left out. The PC is booked from then."""
    planned_end_at: InstantMs | None = None
    """Until when no other session can be booked on the PC. If left out, until what is booked is
    over, a block or bought hours; what has no end of its own is ended by the next booking."""
    start: StrictBool = False
    """Start at once, so that the PC unlocks."""
    payment: GuestPayment | None = None
    """For a guest only: a player pays from the wallet."""

    @model_validator(mode="after")
    def _one_who_plays(self) -> "CreateSessionRequest":
        if (self.player_id is None) is (self.guest_label is None):
            raise ValueError("give exactly one of playerId and guestLabel")
        return self


class ExtendSessionRequest(Request):
    """The tariff to append after what is covered, or the bought one to draw from then."""

    tariff_id: EntityId | None = None
    player_tariff_id: EntityId | None = None
    payment: GuestPayment | None = None
    """For a guest only: a player pays from the wallet."""


class SwitchSessionDeviceRequest(Request):
    """The PC the player moves to."""

    pc_id: EntityId


class ConvertGuestRequest(Request):
    """The player the guest has become."""

    player_id: EntityId


class EndSessionRequest(Request):
    """Who ends the session. The body may be left out."""

    ended_reason: Literal["ManualByAdmin", "ManualByPlayer"] = "ManualByAdmin"


class TopUpRequest(Request):
    """Money over the desk, in minor units of the club's currency."""

    amount_minor: PositiveMinor
    bonus_minor: Minor = 0
    means: Literal["cash", "card"] = "cash"


class Money(Wire):
    """An amount in integer minor units."""

    amount_minor: int
    currency: str


class Tariff(Wire):
    """A tariff a zone sells, at its newest version."""

    tariff_id: str
    version: int
    name: str
    type: str
    status: str


class Zone(Wire):
    """A zone of a club."""

    zone_id: str
    name: str
    tariff_ids: list[str]
    default_tariff_id: str | None


class ClubSummary(Wire):
    """A club in a list."""

    club_id: str
    name: str
    timezone: str
    currency: str


class Club(ClubSummary):
    """A club with its zones and the tariffs they sell."""

    pc_count: int
    zones: list[Zone]
    tariffs: list[Tariff]


class Page(Wire):
    """Some rows of a list; `nextCursor` is the `cursor` of the next page, null: there are no
    more."""

    next_cursor: str | None


class ClubList(Page):
    """Clubs of the chain in the order asked for."""

    clubs: list[ClubSummary]


class PcCommand(Wire):
    """The last order about a PC. `outcome` is null until there is an answer, or nobody's;
    `carrierPcId` is empty where the controller carried it out itself."""

    command_id: str
    command: str
    sent_at: Instant
    carrier_pc_id: str
    outcome: str | None


class Tile(Wire):
    """One PC of the hall. ``link`` and ``use`` never hide each other."""

    pc_id: str
    pc_name: str
    zone_id: str
    zone_name: str
    link: LinkState
    use: UseState
    locked: bool | None
    in_sync: bool
    last_seen_at: Instant | None
    session_id: str | None
    session_status: str | None
    player_id: str | None
    player_label: str | None
    tariff_id: str | None
    tariff_name: str | None
    started_at: Instant | None
    planned_start_at: Instant | None
    coverage_until_at: Instant | None
    coverage_cause: str | None
    coverage_status: str | None
    exposure_until_at: Instant | None
    hold_reason: str | None = None
    hold_until_at: Instant | None = None
    degraded: str | None = None
    last_command: PcCommand | None = None


class Hall(Wire):
    """The hall at one instant. ``entryId`` resumes the live stream right after it.

    ``now`` is the club's business time and ``speed`` how fast it runs against real time (1, but
    for a demo), so that a page can count down between two messages.
    """

    club_id: str
    now: Instant
    speed: float
    entry_id: str
    zones: list[Zone]
    tiles: list[Tile]


class Segment(Wire):
    """A stretch of the session under one tariff version in one zone, begun or still to come: a
    booking's, and what an extension has added, have no `actualStartAt` yet."""

    index: int
    player_tariff_id: str | None
    """The bought tariff it draws from; null: from the wallet, step by step."""
    tariff_id: str
    tariff_version: int
    tariff_name: str
    zone_id: str
    planned_start_at: Instant | None
    planned_end_at: Instant | None
    """Until when it is paid for, as far as that is known."""
    actual_start_at: Instant | None
    actual_end_at: Instant | None
    amount: Money
    bonus: Money
    cash: Money
    order_id: str | None = None
    """The order its money is in and goes back through: the purchase it draws from, or the
    session's own bill, which has the session's id."""


class DeviceLink(Wire):
    """A PC the session was on, from and until."""

    pc_id: str
    zone_id: str
    actual_start_at: Instant
    actual_end_at: Instant | None


class HandedBack(Wire):
    """What the desk hands a one-time guest back of what they paid, first to the card: at the end,
    and for outages after it. What staff refund by hand is on the order."""

    card: Money
    cash: Money


class Session(Wire):
    """A session; ``version`` rises with every change."""

    session_id: str
    club_id: str
    version: int
    status: Literal["PENDING", "ACTIVE", "STARTED", "ENDED", "CANCELLED"]
    """PENDING until its planned start, then ACTIVE until somebody presses Start, then STARTED.
    Lists call the first two Wait and STARTED Active, as operators do."""
    mode: str
    player_id: str | None
    guest_label: str | None
    order_id: str | None = None
    """The order it was made on, for good; its own bill has the session's id."""
    pc_id: str
    zone_id: str
    planned_start_at: Instant
    actual_start_at: Instant | None
    actual_end_at: Instant | None
    effective_start_at: Instant
    effective_end_at: Instant | None
    """When it ended, or until when it is covered, or booked. One that was cancelled, or ended
    before it was to start, took no time: `effectiveStartAt`."""
    ended_reason: str | None
    coverage_until_at: Instant | None
    coverage_cause: str | None
    coverage_status: str | None
    amount: Money
    bonus: Money
    cash: Money
    forfeited: Money
    """Paid for prepaid time that was neither used nor given back; not part of ``amount``."""
    handed_back: HandedBack | None = None
    """Null for players, and while there is nothing to hand back."""
    segments: list[Segment]
    devices: list[DeviceLink]


class Balance(Wire):
    """What a wallet holds in one currency."""

    cash: Money
    bonus: Money
    credit_limit: Money
    """How far cash may go below nothing; it may be further below since the limit was lowered."""


class Wallet(Wire):
    """A player's wallet: one balance for each currency of the chain's clubs."""

    player_id: str
    balances: list[Balance]


class Player(Wire):
    """A player, with the balance in the club's currency."""

    player_id: str
    label: str
    phone: str | None
    groups: list[str]
    balance: Balance


class PlayerList(Page):
    """Players that match, in the order asked for."""

    players: list[Player]


class FieldProblem(Wire):
    """One field of a request that could not be accepted."""

    field: str
    message: str


class Problem(Wire):
    """RFC 9457 problem details; ``code`` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    field: str | None = None
    errors: list[FieldProblem] | None = None
