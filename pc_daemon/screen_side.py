"""The service's dealings with its screen: what it is told, and what becomes of that."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pc_daemon.agent_state import AgentState, Happening, Identify, Notify, ScreenChecked, Show
from pc_daemon.clock import PcClock
from pc_daemon.lockers import Deadlines, LockerError, ScreenLocker

_logger = logging.getLogger("clubctl.pc")


@dataclass(slots=True)
class ScreenSide:
    """Tells the locker and notes, as happenings, whether it can be relied on."""

    locker: ScreenLocker
    clock: PcClock
    note: Callable[[Happening], None]

    def show(self, action: Show, state: AgentState) -> None:
        """Make the screen so. What the player is told ends by the controller's time."""
        ends_at_ms = action.screen.ends_at_ms
        now = state.calendar.read(self.clock.now())
        told_ms = None if ends_at_ms is None else ends_at_ms - now.wall_ms
        deadlines = Deadlines(
            lock_after_ms=self._real_ms(action.lock_after_ms), ends_in_ms=self._real_ms(told_ms)
        )
        try:
            self.locker.show(action.screen, deadlines)
        except LockerError as error:
            self._failed(error)
        else:
            self.check(state)

    def oblige(self, action: Notify | Identify) -> None:
        """Show what locks nothing; no alarm when it fails. Raises ``LockerError``."""
        if isinstance(action, Notify):
            self.locker.notify(action.text)
        else:
            self.locker.identify(int(action.for_ms / self.clock.speed))

    def check(self, state: AgentState) -> None:
        """Whether the screen still does what it was told."""
        try:
            self.locker.check()
        except LockerError as error:
            self._failed(error)
        else:
            if not state.ui_ok:
                self.note(ScreenChecked(ok=True))

    def _failed(self, error: LockerError) -> None:
        _logger.warning("screen: %s", error)
        self.note(ScreenChecked(ok=False))

    def _real_ms(self, business_ms: int | None) -> int | None:
        return None if business_ms is None else int(business_ms / self.clock.speed)
