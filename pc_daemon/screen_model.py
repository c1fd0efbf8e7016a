"""What a screen should look like, from the orders it got and the time that passed. Pure.

A screen outlives its agent: locked stays locked, unlocked locks when the lease it was told
about is over. So neither a crash nor a killed agent makes a PC free.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from pc_daemon.screen_orders import IdentifyOrder, NoticeOrder, Order, ShowOrder
from schemas.pc_modes import LockReason, PcMode

NOTICE_S: Final = 20.0
THANKS_S: Final = 120.0
"""How long a screen says that time is over before it says that the PC is free."""
WARNING_MARKS_MINUTES: Final = (10, 3, 1)
WARNING_S: Final = 15.0
"""How long a warning stands large before it shrinks to the remaining time."""
AGENT_LATENESS_S: Final = 2.0
"""A screen whose agent is there and silent covers by itself this long after the lease."""
EARLY_END_S: Final = 3.0
"""A session locked more than this before its end was ended by somebody."""


class ScreenKind(StrEnum):
    """What a covering screen says about its PC."""

    CONNECTING = "connecting"
    FREE = "free"
    RESERVED = "reserved"
    MOVING = "moving"
    HELD = "held"
    TIME_OVER = "time_over"
    ENDED = "ended"


_KIND_OF_REASON: Final = {
    None: ScreenKind.CONNECTING,
    LockReason.FREE: ScreenKind.FREE,
    LockReason.RESERVED: ScreenKind.RESERVED,
    LockReason.MOVING: ScreenKind.MOVING,
    LockReason.HELD: ScreenKind.HELD,
}


class Urgency(StrEnum):
    """How close the end is."""

    NONE = "none"
    SOON = "soon"
    """Within ten minutes."""
    VERY_SOON = "very_soon"
    """Within three."""
    LAST_MINUTE = "last_minute"


_URGENCY_WITHIN_S: Final = (
    (60.0, Urgency.LAST_MINUTE),
    (180.0, Urgency.VERY_SOON),
    (600.0, Urgency.SOON),
)


@dataclass(frozen=True, slots=True)
class Remaining:
    """The overlay of a running session. ``left_s`` None: open time."""

    left_s: int | None
    urgency: Urgency
    large: bool
    """A warning has just been crossed: it asks for attention."""


@dataclass(frozen=True, slots=True)
class ScreenView:
    """``covers``: the lock windows hide everything; then ``kind`` is what they say."""

    covers: bool = True
    kind: ScreenKind = ScreenKind.CONNECTING
    club: str = ""
    pc: str = ""
    notice: str = ""
    remaining: Remaining | None = None
    identify: bool = False
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class ScreenModel:
    """Locked until told otherwise. Steady seconds throughout."""

    shown: ShowOrder = field(default_factory=lambda: ShowOrder(PcMode.LOCKED))
    lock_at_s: float | None = None
    ends_at_s: float | None = None
    notice: str = ""
    notice_until_s: float = 0.0
    identify_until_s: float = 0.0
    over: ScreenKind | None = None
    """How the last session ended, while the screen still says so."""
    over_until_s: float = 0.0
    orphaned: bool = False

    def told(self, order: Order, now_s: float) -> "ScreenModel":
        """Take one order."""
        match order:
            case NoticeOrder(text=text):
                return replace(self, notice=text, notice_until_s=now_s + NOTICE_S)
            case IdentifyOrder(for_ms=for_ms):
                return replace(self, identify_until_s=now_s + for_ms / 1000)
            case ShowOrder():
                return self._showing(order, now_s)

    def abandoned(self) -> "ScreenModel":
        """The agent is gone."""
        return replace(self, orphaned=True)

    def at(self, now_s: float) -> ScreenView:
        """What to show now."""
        covers = self._covers(now_s)
        return ScreenView(
            covers=covers,
            kind=self._kind(now_s),
            club=self.shown.club,
            pc=self.shown.pc,
            notice=self.notice if now_s < self.notice_until_s else "",
            remaining=None if covers or self.shown.maintenance else self._remaining(now_s),
            identify=now_s < self.identify_until_s,
            maintenance=self.shown.maintenance and not covers,
        )

    def _covers(self, now_s: float) -> bool:
        if self.shown.mode is PcMode.LOCKED:
            return True
        if self.lock_at_s is None:
            return self.orphaned
        return now_s >= self.lock_at_s + (0.0 if self.orphaned else AGENT_LATENESS_S)

    def _kind(self, now_s: float) -> ScreenKind:
        if self.shown.mode is PcMode.UNLOCKED:
            return ScreenKind.TIME_OVER
        kind = _KIND_OF_REASON[self.shown.reason]
        fresh = self.over is not None and now_s < self.over_until_s
        return self.over if kind is ScreenKind.FREE and fresh and self.over else kind

    def _remaining(self, now_s: float) -> Remaining:
        if self.ends_at_s is None:
            return Remaining(None, Urgency.NONE, large=False)
        left_s = max(0.0, self.ends_at_s - now_s)
        within = (urgency for limit_s, urgency in _URGENCY_WITHIN_S if left_s <= limit_s)
        return Remaining(int(left_s), next(within, Urgency.NONE), large=_just_crossed(left_s))

    def _showing(self, order: ShowOrder, now_s: float) -> "ScreenModel":
        model = replace(
            self,
            shown=order,
            lock_at_s=_after(order.lock_after_ms, now_s),
            ends_at_s=_after(order.ends_in_ms, now_s),
        )
        if order.mode is PcMode.UNLOCKED:
            return replace(model, over=None)
        if self.shown.mode is PcMode.LOCKED or self.shown.maintenance:
            return model
        return replace(model, over=self._how_it_ended(now_s), over_until_s=now_s + THANKS_S)

    def _how_it_ended(self, now_s: float) -> ScreenKind:
        was_early = self.ends_at_s is None or self.ends_at_s - now_s > EARLY_END_S
        return ScreenKind.ENDED if was_early else ScreenKind.TIME_OVER


def _after(duration_ms: int | None, now_s: float) -> float | None:
    return None if duration_ms is None else now_s + duration_ms / 1000


def _just_crossed(left_s: float) -> bool:
    return any(
        minutes * 60 - WARNING_S < left_s <= minutes * 60 for minutes in WARNING_MARKS_MINUTES
    )
