"""What can be asked of a session. Plain values; who may ask is the edge's business."""

from dataclasses import dataclass
from typing import ClassVar, Final

from billing_core.session import CommandKind, EndedReason, SessionMode
from billing_core.tariff import Channel, TariffRef

IMMEDIATELY: Final = None


@dataclass(frozen=True, slots=True)
class CreateSession:
    """Create a session, and start it at once when ``start``.

    ``planned_start_at_ms`` None means now. ``player_tariff_id`` draws from a bought tariff;
    without it PER_MINUTE and FIXED are paid from the wallet.
    """

    kind: ClassVar[CommandKind] = CommandKind.CREATE
    session_id: str
    club_id: str
    pc_id: str
    zone_id: str
    tariff: TariffRef
    player_id: str | None = None
    guest_label: str | None = None
    player_tariff_id: str | None = None
    mode: SessionMode = SessionMode.PREPAID
    planned_start_at_ms: int | None = IMMEDIATELY
    planned_end_at_ms: int | None = None
    start: bool = False
    channel: Channel = Channel.CRM
    guest_card_minor: int = 0
    """The part of what a one-time guest pays for it that comes by card."""


@dataclass(frozen=True, slots=True)
class StartSession:
    """Somebody pressed Start: time runs from now and the first step is charged."""

    kind: ClassVar[CommandKind] = CommandKind.START


@dataclass(frozen=True, slots=True)
class ExtendSession:
    """Append a tariff after what is covered."""

    kind: ClassVar[CommandKind] = CommandKind.EXTEND
    tariff: TariffRef
    player_tariff_id: str | None = None
    channel: Channel = Channel.CRM


@dataclass(frozen=True, slots=True)
class SwitchSessionDevice:
    """Go on at another PC. ``Terms.zone`` and the booking are those of the new PC."""

    kind: ClassVar[CommandKind] = CommandKind.SWITCH_DEVICE
    pc_id: str
    zone_id: str


@dataclass(frozen=True, slots=True)
class EndSession:
    """End now."""

    kind: ClassVar[CommandKind] = CommandKind.END
    reason: EndedReason = EndedReason.MANUAL_BY_ADMIN


@dataclass(frozen=True, slots=True)
class CancelSession:
    """Take back a session that has not started."""

    kind: ClassVar[CommandKind] = CommandKind.CANCEL


@dataclass(frozen=True, slots=True)
class ConvertGuest:
    """The guest has registered: from now on the player's own wallet pays."""

    kind: ClassVar[CommandKind] = CommandKind.CONVERT_GUEST
    player_id: str


@dataclass(frozen=True, slots=True)
class Recompute:
    """Something outside has changed (wallet, booking, purchase, settings): look again."""

    kind: ClassVar[CommandKind] = CommandKind.RECOMPUTE


Command = (
    CreateSession
    | StartSession
    | ExtendSession
    | SwitchSessionDevice
    | EndSession
    | CancelSession
    | ConvertGuest
    | Recompute
)
