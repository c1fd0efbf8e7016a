"""Tells the service manager that the agent's loop turns, so that a hung agent is restarted.

systemd names a socket in ``NOTIFY_SOCKET`` and how often it wants a word in ``WATCHDOG_USEC``.
Without them nothing is said.
"""

import contextlib
import os
import socket
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

READY: Final = b"READY=1"
ALIVE: Final = b"WATCHDOG=1"
STOPPING: Final = b"STOPPING=1"
_ABSTRACT: Final = "@"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """``address`` None: nobody listens. ``word_every_s`` None: nobody waits."""

    address: str | None = None
    word_every_s: float | None = None

    def say(self, word: bytes) -> None:
        """Send a word; one that is lost costs a restart at worst."""
        if self.address is None:
            return
        address = self.address
        if address.startswith(_ABSTRACT):
            address = "\0" + address[1:]
        _send(word, address)


def service_manager(environment: MutableMapping[str, str]) -> ServiceManager:
    """Who started us, by what it left in the environment; taken out of it, for what we start has
    nothing to say to it."""
    address = environment.pop("NOTIFY_SOCKET", "") or None
    timeout_us = environment.pop("WATCHDOG_USEC", "")
    is_ours = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if address is None or not (timeout_us.isdigit() and is_ours):
        return ServiceManager(address)
    return ServiceManager(address, int(timeout_us) / 1_000_000 / 3)


if sys.platform == "win32":

    def _send(word: bytes, address: str) -> None:
        """Windows has a service manager of its own, which nobody reaches by a socket."""

else:

    def _send(word: bytes, address: str) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as wire:
            wire.sendto(word, address)
