"""What an agent does for an order that can fail, and what it notes of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pc_daemon.agent_state import CarriedOut, Happening, Identify, Notify, Wake
from pc_daemon.lockers import LockerError
from pc_daemon.machine import Machine
from pc_daemon.screen_side import ScreenSide

_logger = logging.getLogger("clubctl.pc")


@dataclass(frozen=True, slots=True)
class Errands:
    """Shows what the desk says, wakes a neighbour, and notes whether that went well."""

    screen: ScreenSide
    machine: Machine
    note: Callable[[Happening], None]

    def run(self, action: Notify | Identify | Wake) -> None:
        """Try once: whoever gave the order is told of a failure and can give it again."""
        fault = None
        try:
            if isinstance(action, Wake):
                self.machine.wake(action.mac)
            else:
                self.screen.oblige(action)
        except (LockerError, OSError) as error:
            fault = str(error)
            _logger.warning("order %s: failed: %s", action.cmd_id, fault)
        self.note(CarriedOut(action.cmd_id, fault))
