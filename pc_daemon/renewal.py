"""Keeps a PC's secret as staff want it while the agent runs.

The PC asks the API how things stand when the controller tells it to, and by itself now and then.
A new secret takes effect at once: the broker drops the old connection, and the next one is made
with the new secret.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from pc_daemon.club_door import DoorError
from pc_daemon.enrolment import EnrolmentFiles, refresh
from schemas.link_port import Credentials

LOOK_EVERY_S: Final = 600.0
LOOK_JITTER: Final = 0.2
FIRST_LOOK_S: Final = 30.0
"""A hall that is switched on at once asks spread over this."""
AGAIN_FIRST_S: Final = 1.0
AGAIN_MAX_S: Final = 60.0
"""Between tries to learn what became of a new secret, or of an order to draw one."""
REFUSED: Final = "credentials-refused"

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
        self._asked = asyncio.Event()
        self._owes_answer = False
        self._again_s = AGAIN_FIRST_S

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

    def ask_now(self) -> None:
        """Look at once: the controller says that staff want a new secret."""
        self._asked.set()

    async def run(self, looked: Callable[[], None] = lambda: None) -> None:
        """Ask until cancelled; ``looked`` is called after each time."""
        if not self._files.pending.exists():
            await self._wait(min(FIRST_LOOK_S, self._every_s) * self._random.random())
        while True:
            self._owes_answer = self._owes_answer or self._asked.is_set()
            self._asked.clear()
            answered = await self._look()
            looked()
            await self._wait(self._pause_s(answered=answered))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()

    def _pause_s(self, *, answered: bool) -> float:
        """Soon again while the secret in force, or what staff want, is not known."""
        if answered or not (self._owes_answer or self._files.pending.exists()):
            self._owes_answer, self._again_s = False, AGAIN_FIRST_S
            return self._every_s * (1 + LOOK_JITTER * (2 * self._random.random() - 1))
        pause_s, self._again_s = self._again_s, min(2 * self._again_s, AGAIN_MAX_S)
        return pause_s * (0.5 + self._random.random() / 2)

    async def _look(self) -> bool:
        """Ask once; whether there was an answer."""
        try:
            if await refresh(self._files) is None:
                _logger.debug("not enrolled by a code: nothing to renew")
        except DoorError as error:
            _logger.warning("how things stand is not known: %s", error)
            return await self._protest() if error.code == REFUSED else error.is_final
        except (OSError, ValueError) as error:
            _logger.warning("how things stand is not known: %s", error)
            return False
        return True

    async def _protest(self) -> bool:
        """Our secret is not in force. If somebody else has replaced it, asking to replace it too
        has the API shut that one out as well; otherwise it changes nothing."""
        try:
            await refresh(self._files, force=True)
        except DoorError as error:
            _logger.warning("this PC's secret is no good any more: %s", error)
            return error.is_final
        except (OSError, ValueError) as error:
            _logger.warning("how things stand is not known: %s", error)
            return False
        return True
