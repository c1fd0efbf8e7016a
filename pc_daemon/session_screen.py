"""The service's end of the screen: starts it, tells it, hears it, and does not let it die.

Every call comes from the agent's own thread; what the screen says is read by a thread of its own
and handed to ``hear``, which must be safe to call from there.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pc_daemon.agent_state import Screen
from pc_daemon.last_resort import Plight, Resort, nothing_else
from pc_daemon.lockers import Deadlines, LockerError, ScreenHeard, ScreenNews
from pc_daemon.process_note import NotedProcess, keep_note, noted
from pc_daemon.screen_orders import (
    MAX_LINE_BYTES,
    Alive,
    CodeTyped,
    Hindrance,
    IdentifyOrder,
    NoticeOrder,
    Order,
    ShowOrder,
    from_line,
    to_line,
)
from pc_daemon.session_launch import Launcher, SessionProcess
from schemas.device import PcMode

SILENT_AFTER_S: Final = 4.0
"""A screen whose loop has not turned for this long is stopped, not slow."""
STARTUP_S: Final = 15.0
"""How long a screen may take to say its first word."""
STEADY_AFTER_S: Final = 10.0
"""A screen that was started again is not relied on before it has stood this long."""
TAMPER_DEATHS: Final = 3
TAMPER_WINDOW_S: Final = 300.0
LEAST_LIFE_S: Final = 0.25
"""A screen that ends sooner is not started again at once: that would be a busy loop."""
COVERS_WITHIN_S: Final = 2.0
"""A screen that says for so long that it does not cover, though it was told to, is hindered."""

_PLIGHTS: Final = {
    None: Plight.HIDDEN,
    Hindrance.HIDDEN: Plight.HIDDEN,
    Hindrance.INPUT: Plight.INPUT,
}
_NEWS: Final = {
    Plight.HIDDEN: ScreenNews.HIDDEN,
    Plight.INPUT: ScreenNews.INPUT_HELD,
}


@dataclass(slots=True)
class _CoverSaid:
    """What the screen that runs says of its cover; written by the thread that reads it."""

    is_said: bool = False
    covered_s: float = 0.0
    """When it covered last, or was told to begin."""
    hindrance: Hindrance | None = None
    was_hidden: bool = False
    """Since somebody asked; the screen may have helped itself since."""
    has_covered: bool = False

    def take(self, word: Alive, now_s: float) -> None:
        self.hindrance = word.hindrance
        if not self.is_said:
            # A screen that starts has its moment too.
            self.is_said, self.covered_s = True, now_s
        self.was_hidden |= word.hindrance is Hindrance.HIDDEN
        if word.covers:
            self.covered_s = now_s
            self.has_covered = True


class SessionScreen:
    """A locker whose screen is a process of the player's session.

    When the service ends, the screen goes on alone: locked stays locked, unlocked locks at the
    deadline it was told. ``speaks`` is False for a club's own shell, which need not answer.
    ``last_resort`` is called when a PC must be locked and is not: no screen can be had, something
    keeps it from covering, or it was ended or hidden again and again. It is called again and again
    while that lasts.
    """

    def __init__(
        self,
        argv: Sequence[str],
        launch: Launcher,
        *,
        real_s: Callable[[], float],
        note: Path,
        speaks: bool = True,
        last_resort: Resort = nothing_else,
    ) -> None:
        self._argv = tuple(argv)
        self._launch = launch
        self._real_s = real_s
        self._note = note
        self._speaks = speaks
        self._last_resort = last_resort
        self._hear: Callable[[ScreenHeard], None] = _to_nobody
        self._process: SessionProcess | None = None
        self._ended: SessionProcess | None = None
        self._started_s = 0.0
        self._heard_s = 0.0
        self._troubles_s: deque[float] = deque(maxlen=TAMPER_DEATHS)
        self._older: NotedProcess | None = None
        self._foreground: str | None = None
        self._must_cover = False
        self._cover = _CoverSaid()
        self._hindered_by: set[Plight] = set()

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        """See ``ScreenLocker``."""
        self._hear = hear

    def show(self, screen: Screen, deadlines: Deadlines) -> None:
        """See ``ScreenLocker``; starts the screen if there is none."""
        locks = screen.mode is PcMode.LOCKED
        if locks and not self._must_cover:
            self._cover.covered_s = self._real_s()
        self._must_cover = locks
        try:
            if not self._stands():
                self._start()
            self._tell(_order(screen, deadlines))
        except LockerError:
            if locks:
                self._last_resort(Plight.NO_SCREEN)
            raise

    def notify(self, text: str) -> None:
        """See ``ScreenLocker``."""
        self._tell_standing(NoticeOrder(text))

    def identify(self, for_ms: int) -> None:
        """See ``ScreenLocker``."""
        self._tell_standing(IdentifyOrder(for_ms))

    def check(self) -> None:
        """See ``ScreenLocker``."""
        process = self._process
        if process is None:
            return
        status = process.poll()
        if status is not None:
            raise LockerError(f"the screen ended with {status}")
        if self._is_silent():
            raise LockerError("the screen does not answer")
        self._check_cover()
        if self._troubles_s and self._real_s() - self._started_s < STEADY_AFTER_S:
            raise LockerError("the screen was just started again")

    def _check_cover(self) -> None:
        said = self._cover
        was_hidden, said.was_hidden = said.was_hidden, False
        is_late = said.is_said and self._real_s() - said.covered_s > COVERS_WITHIN_S
        if not self._must_cover or not (was_hidden or is_late):
            self._hindered_by.clear()
            return
        plight = Plight.HIDDEN if was_hidden else _PLIGHTS[said.hindrance]
        if not self._hindered_by:
            self._note_trouble(self._real_s())
        if plight not in self._hindered_by:
            self._hindered_by.add(plight)
            self._hear(ScreenHeard(_NEWS[plight]))
        self._last_resort(plight)
        raise LockerError(f"the screen does not cover: {plight}")

    def foreground(self) -> str | None:
        """See ``ScreenLocker``."""
        return self._foreground

    def close(self) -> None:
        """See ``ScreenLocker``."""
        process, self._process = self._process, None
        if process is None:
            return
        process.stdin.close()
        process.abandon()

    def _start(self) -> None:
        now_s = self._real_s()
        if self._process is not None:
            if now_s - self._started_s < LEAST_LIFE_S:
                raise LockerError("the screen ends as soon as it starts")
            self._discard()
            self._note_trouble(now_s)
        try:
            self._process = self._launch(self._argv)
        except (OSError, ValueError) as error:
            raise LockerError(f"the screen does not start: {error}") from error
        self._started_s = now_s
        self._cover.is_said = False
        self._heard_s = now_s + STARTUP_S - SILENT_AFTER_S
        self._older = noted(self._note, besides=self._process.pid)
        keep_note(self._note, self._process.pid)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _note_trouble(self, now_s: float) -> None:
        self._troubles_s.append(now_s)
        full = len(self._troubles_s) == TAMPER_DEATHS
        if not full or now_s - self._troubles_s[0] > TAMPER_WINDOW_S:
            return
        self._troubles_s.clear()
        self._troubles_s.append(now_s)
        self._hear(ScreenHeard(ScreenNews.TAMPERED))
        if self._must_cover:
            # Screens that never came up were not ended by anybody.
            self._last_resort(Plight.TAMPERED if self._cover.has_covered else Plight.NO_SCREEN)
        self._cover.has_covered = False

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.stdin.close()

    def _stands(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None or self._is_silent():
            return False
        # A process that ends closes what it speaks through before it can be seen to have ended.
        return process is not self._ended or not self._speaks

    def _is_silent(self) -> bool:
        return self._speaks and self._real_s() - self._heard_s > SILENT_AFTER_S

    def _tell_standing(self, order: Order) -> None:
        # A pipe takes words for a screen that hangs, and for a moment for one that has ended.
        if self._process is not None and not self._stands():
            raise LockerError("the screen does not answer")
        self._tell(order)

    def _tell(self, order: Order) -> None:
        process = self._process
        if process is None:
            raise LockerError("there is no screen")
        line = to_line(order)
        try:
            written = os.write(process.stdin.fileno(), line)
        except (OSError, ValueError) as error:
            process.kill()
            raise LockerError(f"the screen cannot be told: {error}") from error
        if written != len(line):
            process.kill()
            raise LockerError("the screen does not read")

    def _read(self, process: SessionProcess) -> None:
        while line := process.stdout.readline(MAX_LINE_BYTES):
            self._take(line)
        process.stdout.close()
        self._ended = process
        self._hear(ScreenHeard(ScreenNews.DIED))

    def _take(self, line: bytes) -> None:
        try:
            word = from_line(line)
        except ValueError:
            # A club's own shell may print what it likes.
            return
        if isinstance(word, Alive):
            self._heard_s = self._real_s()
            self._foreground = word.foreground
            self._cover.take(word, self._heard_s)
            self._end_older()
        elif isinstance(word, CodeTyped):
            self._hear(ScreenHeard(code=word.code))

    def _end_older(self) -> None:
        """End the screen that an earlier service left standing: ours covers by now."""
        older, self._older = self._older, None
        if older is not None:
            older.end()


def _to_nobody(_heard: ScreenHeard) -> None:
    """Nobody is attached yet."""


def _order(screen: Screen, deadlines: Deadlines) -> ShowOrder:
    return ShowOrder(
        mode=screen.mode,
        reason=screen.reason,
        club=screen.club,
        pc=screen.title,
        message=screen.message,
        player=screen.player_label,
        lock_after_ms=deadlines.lock_after_ms,
        ends_in_ms=deadlines.ends_in_ms,
        maintenance=screen.maintenance,
    )
