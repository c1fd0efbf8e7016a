"""Commands as they travel from an edge to the host that owns the club, and the answers.

Instants are UTC milliseconds, money is integer minor units. A command is idempotent by
``idempotency_key``: the answer to the first one is stored with its effect and given again.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from schemas.device import DeviceCommandKind
from schemas.fields import Text

MAX_COMMAND_BYTES = 16 * 1024
MAX_PAID_MINOR = 10**9
"""Of one payment: far above any club's, far below what makes an account hard to count."""
MAX_PC_COMMAND_MS = 12 * 3_600_000

EntityId = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
]
AmountMinor = Annotated[int, Field(ge=0, le=MAX_PAID_MINOR)]
TimestampMs = Annotated[int, Field(ge=0, le=2**53)]


class Channel(StrEnum):
    """Who speaks: an operator at the CRM, a kiosk, or the player's app."""

    CRM = "crm"
    KIOSK = "kiosk"
    APP = "app"


class PaymentMeans(StrEnum):
    """How money came over the desk."""

    CASH = "cash"
    CARD = "card"


class OrderMeans(StrEnum):
    """What an order is paid with: over the desk, or from the player's wallet."""

    CASH = "cash"
    CARD = "card"
    BALANCE = "balance"
    """The wallet's cash."""
    BONUS = "bonus"
    """The wallet's bonus, as far as the tariffs take it."""


class PaymentMode(StrEnum):
    """When a session is paid for."""

    PREPAID = "PREPAID"
    OPEN_ENDED = "OPEN_ENDED"
    """Post-pay: its order is settled after the end."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CreateSession(_Frozen):
    """Create a session on a PC for a player or a one-time guest; ``start`` starts it at once.

    ``planned_start_at_ms`` None means now. ``session_id`` is drawn by the edge. ``paid_minor``
    is what a one-time guest puts on the desk for this session; what is left of it at the end is
    given back there. A player pays from the wallet and leaves it 0.

    ``player_tariff_id`` draws from a bought tariff, whose version it brings. Without it and
    without ``tariff_id`` the zone chooses: the tariff of one of the player's groups, else its
    default. A planned end holds the PC against other bookings until then.
    """

    kind: Literal["create_session"] = "create_session"
    session_id: EntityId
    pc_id: EntityId
    tariff_id: EntityId | None = None
    player_tariff_id: EntityId | None = None
    mode: PaymentMode = PaymentMode.PREPAID
    player_id: EntityId | None = None
    guest_label: str | None = Field(default=None, max_length=64)
    planned_start_at_ms: TimestampMs | None = None
    planned_end_at_ms: TimestampMs | None = None
    start: bool = False
    paid_minor: AmountMinor = 0
    means: PaymentMeans = PaymentMeans.CASH


class StartSession(_Frozen):
    """The player presses Start (or the operator does): the PC unlocks."""

    kind: Literal["start_session"] = "start_session"
    session_id: EntityId


class ExtendSession(_Frozen):
    """Append a tariff after what is covered; the PC does not notice.

    A guest puts ``paid_minor`` more on the desk, as at creation.
    """

    kind: Literal["extend_session"] = "extend_session"
    session_id: EntityId
    tariff_id: EntityId | None = None
    player_tariff_id: EntityId | None = None
    paid_minor: AmountMinor = 0
    means: PaymentMeans = PaymentMeans.CASH


class SwitchSessionDevice(_Frozen):
    """The player changes seats; time and tariff go on."""

    kind: Literal["switch_session_device"] = "switch_session_device"
    session_id: EntityId
    pc_id: EntityId


class EndSession(_Frozen):
    """End now, by an operator or by the player, and write the receipt."""

    kind: Literal["end_session"] = "end_session"
    session_id: EntityId
    reason: Literal["ManualByAdmin", "ManualByPlayer"] = "ManualByAdmin"


class CancelSession(_Frozen):
    """Take back a session that has not started; the tariff is returned."""

    kind: Literal["cancel_session"] = "cancel_session"
    session_id: EntityId


class ConvertGuest(_Frozen):
    """The guest has registered: the session and the rest of the guest's money are the player's."""

    kind: Literal["convert_guest"] = "convert_guest"
    session_id: EntityId
    player_id: EntityId


class HoldPc(_Frozen):
    """Take a free PC out of use. ``until_ms`` None: until it is released by hand."""

    kind: Literal["hold_pc"] = "hold_pc"
    pc_id: EntityId
    reason: Annotated[str, Field(min_length=1, max_length=120)]
    until_ms: TimestampMs | None = None


class ReleasePc(_Frozen):
    """Put a held PC back into use."""

    kind: Literal["release_pc"] = "release_pc"
    pc_id: EntityId


class CommandPc(_Frozen):
    """A one-shot order to a PC: it is sent once, and what became of it is told as an event.

    ``duration_ms`` is for IDENTIFY and MAINTENANCE, ``text`` for MESSAGE, ``code_hash`` (see
    ``schemas/technician.py``) for MAINTENANCE.
    """

    kind: Literal["command_pc"] = "command_pc"
    pc_id: EntityId
    asked: DeviceCommandKind
    text: Text = ""
    duration_ms: Annotated[int, Field(ge=0, le=MAX_PC_COMMAND_MS)] | None = None
    code_hash: Annotated[str, Field(max_length=200)] | None = None


class TopUpWallet(_Frozen):
    """Money over the desk into a player's wallet, with an optional bonus on top."""

    kind: Literal["top_up_wallet"] = "top_up_wallet"
    player_id: EntityId
    amount_minor: Annotated[int, Field(gt=0, le=MAX_PAID_MINOR)]
    bonus_minor: AmountMinor = 0
    means: PaymentMeans = PaymentMeans.CASH


MAX_ORDER_LINES = 20


class OrderPayment(_Frozen):
    """An amount of one means."""

    means: OrderMeans
    amount_minor: Annotated[int, Field(gt=0, le=MAX_PAID_MINOR)]


class CreateOrder(_Frozen):
    """Order prepaid tariffs for a player, one line each, at today's prices (of a zone).

    With ``payments`` it is paid at once, else by ``pay_order``. What was bought is the player's
    when the order is paid in full.
    """

    kind: Literal["create_order"] = "create_order"
    order_id: EntityId
    player_id: EntityId
    tariff_ids: Annotated[tuple[EntityId, ...], Field(min_length=1, max_length=MAX_ORDER_LINES)]
    zone_id: EntityId | None = None
    payments: Annotated[tuple[OrderPayment, ...], Field(max_length=4)] = ()


class PayOrder(_Frozen):
    """Pay an order: a purchase at once and in full, the bill of a post-pay session in parts."""

    kind: Literal["pay_order"] = "pay_order"
    order_id: EntityId
    payments: Annotated[tuple[OrderPayment, ...], Field(min_length=1, max_length=4)]


class RefundOrder(_Frozen):
    """Give back what is left of an order, of one of its lines, or an amount of a line.

    With ``payout`` what goes back as cash leaves over the desk by that means instead of staying
    in the wallet.
    """

    kind: Literal["refund_order"] = "refund_order"
    order_id: EntityId
    payout: PaymentMeans | None = None
    line: Annotated[int, Field(ge=0, lt=MAX_ORDER_LINES)] | None = None
    amount_minor: Annotated[int, Field(gt=0, le=MAX_PAID_MINOR)] | None = None


class ResolveOutage(_Frozen):
    """Staff gives back the time of an outage that was proposed to them, or leaves it charged."""

    kind: Literal["resolve_outage"] = "resolve_outage"
    session_id: EntityId
    number: Annotated[int, Field(ge=0, le=1_000)]
    approve: bool


SessionCommand = (
    StartSession | ExtendSession | SwitchSessionDevice | EndSession | CancelSession | ConvertGuest
)
"""Commands about a session that exists."""

Command = Annotated[
    CreateSession
    | StartSession
    | ExtendSession
    | SwitchSessionDevice
    | EndSession
    | CancelSession
    | ConvertGuest
    | HoldPc
    | ReleasePc
    | CommandPc
    | TopUpWallet
    | CreateOrder
    | PayOrder
    | RefundOrder
    | ResolveOutage,
    Field(discriminator="kind"),
]


class CommandEnvelope(_Frozen):
    """One command, addressed to a club, from a principal.

    ``fingerprint`` is a digest of what the caller asked for: the same key with another
    fingerprint is refused (``idempotency-key-reused``).
    """

    v: Literal[1] = 1
    chain_id: EntityId
    club_id: EntityId
    idempotency_key: Annotated[str, Field(min_length=1, max_length=256)]
    fingerprint: Annotated[str, Field(min_length=1, max_length=128)]
    principal: Annotated[str, Field(min_length=1, max_length=128)]
    channel: Channel = Channel.CRM
    origin: Annotated[str, Field(max_length=64)] = ""
    """Where the request came from, for the audit: an address."""
    sent_at_ms: TimestampMs = 0
    """When the edge took it (business time), for the audit."""
    expected_version: Annotated[int, Field(ge=0)] | None = None
    """The version of the session the caller has seen; another one refuses the command."""
    command: Command


class ReplyStatus(StrEnum):
    """How a command ended."""

    OK = "ok"
    REJECTED = "rejected"
    """Decided and refused; nothing changed. ``code`` is stable. ``answer-of-another-release`` alone
    is of a command that was answered before, one way or the other."""
    NOT_OWNER = "not_owner"
    """This host does not own the club now; ask where it lives and send again."""
    BUSY = "busy"
    """The shard is loading or lost its store; send again after a moment."""
    OVERLOADED = "overloaded"
    """The owner has as many commands waiting as it takes; nothing was done, give it time."""


class CommandReply(_Frozen):
    """The answer to one command.

    ``result`` by command: the session operations give ``{"session": SessionView}``, endings
    add ``{"receipt": ReceiptView}``, a top-up gives ``{"wallet": WalletView}``, holding,
    releasing and commanding a PC ``{"tile": HallTile}``, the order operations
    ``{"order": OrderView}`` (see views).
    ``field`` names the request field a rejection is about, in snake case.
    """

    v: Literal[1] = 1
    status: ReplyStatus
    code: str | None = None
    message: str | None = None
    field: str | None = None
    result: dict[str, JsonValue] = {}
