"""What an agent asks of the operating system: a restart, the end, a packet."""

import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.magic_packet import WAKE_PORT, magic_packet

_WAKE_ADDRESS: Final = ("255.255.255.255", WAKE_PORT)


def restart() -> None:
    """Restart the machine. Raises ``subprocess.CalledProcessError`` when it is not allowed to."""
    argv = ["shutdown", "/r", "/t", "0"] if sys.platform == "win32" else ["systemctl", "reboot"]
    subprocess.run(argv, check=True)  # noqa: S603 - fixed words


def power_off() -> None:
    """Switch the machine off. Raises ``subprocess.CalledProcessError`` like ``restart``."""
    argv = ["shutdown", "/s", "/t", "0"] if sys.platform == "win32" else ["systemctl", "poweroff"]
    subprocess.run(argv, check=True)  # noqa: S603 - fixed words


def wake(mac: str, to: tuple[str, int] = _WAKE_ADDRESS) -> None:
    """Send the magic packet for a network card to everybody on this network. Raises ``OSError``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        wire.sendto(magic_packet(mac), to)


def _nothing() -> None:
    """A simulated machine goes on."""


def _nobody(_mac: str) -> None:
    """A simulated machine has no neighbours to wake."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What can be done to a machine; by default nothing, for simulations."""

    restart: Callable[[], None] = _nothing
    power_off: Callable[[], None] = _nothing
    wake: Callable[[str], None] = _nobody


def this_machine() -> Machine:
    """The one we run on."""
    return Machine(restart, power_off, wake)
