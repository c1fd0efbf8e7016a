"""Keeps a PC's secret as staff want it while the agent runs.

Now and then the PC asks the API how things stand. A new secret takes effect at once: the broker
drops the old connection, and the next one is made with the new secret.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import Final

from pc_daemon.club_door import DoorError
from pc_daemon.enrolment import EnrolmentFiles, refresh
from schemas.link_port import Credentials

LOOK_EVERY_S: Final = 600.0
LOOK_JITTER: Final = 0.2
FIRST_LOOK_S: Final = 30.0
"""A hall that is switched on at once asks spread over this."""

_logger = logging.getLogger("clubctl.pc")


class SecretKeeper:
    """What this PC shows the broker, as its configuration has it now."""

    def __init__(
        self, files: EnrolmentFiles, random: Random, *, every_s: float = LOOK_EVERY_S
    ) -> None:
        self._files = files
        self._random = random
        self._every_s = every_s
        self._last: Credentials | None = None

    def credentials(self) -> Credentials | None:
        """The user and secret of the next connection; the last ones while the file is unreadable,
        None without any in it."""
        try:
            known = self._files.read()
        except (OSError, ValueError) as error:
            _logger.warning("%s: %s", self._files.config, error)
            return self._last
        username, password = known.get("mqtt_username"), known.get("mqtt_password")
        told = isinstance(username, str) and isinstance(password, str)
        self._last = Credentials(str(username), str(password)) if told else None
        return self._last

    async def run(self, looked: Callable[[], None] = lambda: None) -> None:
        """Ask until cancelled; ``looked`` is called after each time."""
        await asyncio.sleep(min(FIRST_LOOK_S, self._every_s) * self._random.random())
        while True:
            await self._look()
            looked()
            spread = 1 + LOOK_JITTER * (2 * self._random.random() - 1)
            await asyncio.sleep(self._every_s * spread)

    async def _look(self) -> None:
        try:
            if await refresh(self._files) is None:
                _logger.debug("not enrolled by a code: nothing to renew")
        except (DoorError, OSError, ValueError) as error:
            _logger.warning("how things stand is not known: %s", error)
