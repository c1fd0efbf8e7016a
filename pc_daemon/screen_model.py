"""What a screen process should look like, from the orders it got and the time that passed. Pure.

The process outlives its agent: locked stays locked, unlocked locks when the lease it was told
about is over. So neither a crash nor a killed agent makes a PC free.
"""

import json
from dataclasses import dataclass, replace

NOTICE_S = 20.0


@dataclass(frozen=True, slots=True)
class ScreenView:
    """``covers``: the lock window hides everything. ``notice``: a line over whatever runs."""

    covers: bool = True
    title: str = ""
    message: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class ScreenModel:
    """Locked until told otherwise. Steady seconds throughout."""

    view: ScreenView = ScreenView()
    lock_at_s: float | None = None
    notice_until_s: float = 0.0
    orphaned: bool = False

    def told(self, line: str, now_s: float) -> "ScreenModel":
        """Take one order. Raises ``ValueError`` for a line that is none; nothing changes then."""
        order = json.loads(line)
        if not isinstance(order, dict):
            raise ValueError("an order is an object")  # noqa: TRY004 - one error for a bad line
        if "notice" in order:
            view = replace(self.view, notice=str(order["notice"]))
            return replace(self, view=view, notice_until_s=now_s + NOTICE_S)
        screen = order.get("screen")
        if not isinstance(screen, dict) or screen.get("mode") not in ("LOCKED", "UNLOCKED"):
            raise ValueError("screen.mode is LOCKED or UNLOCKED")
        left_ms = order.get("lock_after_ms")
        return self._showing(screen, None if left_ms is None else now_s + left_ms / 1000, now_s)

    def abandoned(self) -> "ScreenModel":
        """The agent is gone."""
        return replace(self, orphaned=True)

    def at(self, now_s: float) -> ScreenView:
        """What to show now."""
        view = self.view
        if view.notice and now_s >= self.notice_until_s:
            view = replace(view, notice="")
        is_over = self.lock_at_s is None or now_s >= self.lock_at_s
        return replace(view, covers=True) if self.orphaned and is_over else view

    def _showing(
        self, screen: dict[str, object], lock_at_s: float | None, now_s: float
    ) -> "ScreenModel":
        locked = screen["mode"] == "LOCKED"
        warning = screen.get("warning", "NONE")
        view = ScreenView(
            covers=locked,
            title=str(screen.get("title", "")),
            message=str(screen.get("message", "")),
            notice=self.view.notice,
        )
        until_s = self.notice_until_s
        if not locked and warning != "NONE":
            left_minutes = 0 if lock_at_s is None else max(1, round((lock_at_s - now_s) / 60))
            view = replace(view, notice=view.message or f"{left_minutes} min")
            until_s = now_s + NOTICE_S
        return replace(self, view=view, lock_at_s=lock_at_s, notice_until_s=until_s)
