"""The Tk screen on a real X display: what it covers, what it says, what it takes."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from displays_under_test import Display, a_display, keep, part_of

from pc_daemon.agent_state import Screen
from pc_daemon.lockers import Deadlines, LockerError, ScreenHeard
from pc_daemon.screen_model import ScreenKind, Urgency
from pc_daemon.screen_texts import Language
from pc_daemon.screen_windows import ACCENTS, CARD, NIGHT, URGENT
from pc_daemon.session_launch import UserSession
from pc_daemon.session_screen import SessionScreen
from schemas.device import LockReason, PcMode

WIDE, HIGH = 1_280 + 1_024, 768
LEFT_MONITOR = (0, 0, 1_280, 720)
RIGHT_MONITOR = (1_280, 0, 1_280 + 1_024, 768)
BLACK = "#000000"
"""An X display with nothing on it."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def locked(reason: LockReason | None = LockReason.FREE) -> Screen:
    return Screen(PcMode.LOCKED, reason, club="Nightshift North", title="PC 07")


PLAYING = Screen(PcMode.UNLOCKED, club="Nightshift North", title="PC 07", lease_seq=1)


class Desk:
    """One PC's desk: two monitors, and the screen that looks after them."""

    def __init__(self, display: Display, folder: Path, language: Language) -> None:
        self.display = display
        self.heard: list[ScreenHeard] = []
        self.note = folder / "screen.json"
        argv = [sys.executable, "-m", "pc_daemon.screen", "--language", language.value]
        argv += ["--monitors", "1280x720+0+0,1024x768+1280+0"]
        self.screen = SessionScreen(
            argv,
            UserSession(None, {"DISPLAY": display.name}),
            real_s=time.monotonic,
            note=self.note,
        )
        self.screen.attach(self.heard.append)

    @property
    def pid(self) -> int:
        return int(json.loads(self.note.read_text())["pid"])


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """In English, or in the language a test is parametrized with."""
    with a_display(WIDE, HIGH) as display:
        desk = Desk(display, tmp_path, getattr(request, "param", Language.ENGLISH))
        yield desk
        desk.screen.close()
        os.kill(desk.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (LockReason.FREE, ScreenKind.FREE),
        (LockReason.RESERVED, ScreenKind.RESERVED),
        (LockReason.HELD, ScreenKind.HELD),
        (None, ScreenKind.CONNECTING),
    ],
)
def test_a_locked_pc_is_covered_on_every_monitor(
    desk: Desk, reason: LockReason | None, kind: ScreenKind
) -> None:
    desk.screen.show(locked(reason), Deadlines())

    picture = desk.display.shows(lambda one: part_of(one, ACCENTS[kind]) > 0.005)

    for area in (LEFT_MONITOR, RIGHT_MONITOR):
        monitor = picture.crop(area)
        assert part_of(monitor, NIGHT) > 0.8
        assert part_of(monitor, BLACK) == 0
        assert part_of(monitor, ACCENTS[kind]) > 0.005
    keep(picture.crop(LEFT_MONITOR), f"locked-{kind}")


def test_a_player_sees_little_until_time_runs_out(desk: Desk) -> None:
    desk.screen.show(PLAYING, Deadlines(lock_after_ms=3_600_000, ends_in_ms=3_600_000))
    picture = desk.display.shows(lambda one: 0 < part_of(one, CARD) < 0.02)
    assert part_of(picture, BLACK) > 0.98

    desk.screen.show(PLAYING, Deadlines(lock_after_ms=600_000, ends_in_ms=599_000))
    soon = URGENT[Urgency.SOON]
    picture = desk.display.shows(lambda one: part_of(one, soon) > 0.001)
    keep(picture.crop(LEFT_MONITOR), "warning-10-minutes")

    desk.screen.show(PLAYING, Deadlines(lock_after_ms=180_000, ends_in_ms=179_000))
    very_soon = URGENT[Urgency.VERY_SOON]
    picture = desk.display.shows(lambda one: part_of(one, very_soon) > 0.001)
    assert part_of(picture, soon) == 0
    keep(picture.crop(LEFT_MONITOR), "warning-3-minutes")

    desk.screen.show(PLAYING, Deadlines(lock_after_ms=60_000, ends_in_ms=59_000))
    last = URGENT[Urgency.LAST_MINUTE]
    picture = desk.display.shows(lambda one: part_of(one, last) > 0.001)
    keep(picture.crop(LEFT_MONITOR), "warning-last-minute")

    desk.screen.notify("Your pizza is ready at the desk.")
    picture = desk.display.shows(lambda one: part_of(one, last) < 0.001)
    keep(picture.crop(LEFT_MONITOR), "message")


@pytest.mark.parametrize("desk", [Language.RUSSIAN], indirect=True)
def test_a_russian_club_is_told_the_same_in_russian(desk: Desk) -> None:
    def pictured(screen: Screen, colour: str, name: str, *, ends_in_ms: int | None = None) -> None:
        desk.screen.show(screen, Deadlines(lock_after_ms=ends_in_ms, ends_in_ms=ends_in_ms))
        picture = desk.display.shows(lambda one: part_of(one, colour) > 0.001)
        keep(picture.crop(LEFT_MONITOR), f"ru-{name}")

    free = replace(locked(), club="Полуночники Север", title="ПК 07")
    playing = replace(PLAYING, club=free.club, title=free.title)
    pictured(free, ACCENTS[ScreenKind.FREE], "locked-free")
    pictured(playing, URGENT[Urgency.SOON], "warning-10-minutes", ends_in_ms=599_000)
    pictured(playing, URGENT[Urgency.LAST_MINUTE], "warning-last-minute", ends_in_ms=59_000)
    desk.screen.show(playing, Deadlines(lock_after_ms=1_000, ends_in_ms=1_000))
    desk.display.shows(lambda one: part_of(one, BLACK) > 0.9)
    time.sleep(1.0)
    pictured(free, ACCENTS[ScreenKind.TIME_OVER], "waiting-time-is-over")


def test_after_play_the_waiting_screen_says_that_time_is_over(desk: Desk) -> None:
    desk.screen.show(PLAYING, Deadlines(lock_after_ms=1_000, ends_in_ms=1_000))
    desk.display.shows(lambda one: part_of(one, BLACK) > 0.9)
    time.sleep(1.0)
    desk.screen.show(locked(), Deadlines())
    over = ACCENTS[ScreenKind.TIME_OVER]
    picture = desk.display.shows(lambda one: part_of(one, over) > 0.005)
    keep(picture.crop(LEFT_MONITOR), "waiting-time-is-over")


def test_a_screen_whose_agent_died_covers_when_the_lease_it_knows_ends(desk: Desk) -> None:
    desk.screen.show(PLAYING, Deadlines(lock_after_ms=2_500, ends_in_ms=2_500))
    desk.display.shows(lambda one: part_of(one, BLACK) > 0.9)
    desk.screen.close()
    desk.display.shows(lambda one: part_of(one, NIGHT) > 0.8)


def test_a_killed_screen_covers_again(desk: Desk) -> None:
    desk.screen.show(locked(), Deadlines())
    desk.display.shows(lambda one: part_of(one, NIGHT) > 0.8)
    first = desk.pid

    os.kill(first, signal.SIGKILL)
    while not desk.heard:
        time.sleep(0.005)
    with pytest.raises(LockerError):
        desk.screen.check()
    desk.screen.show(locked(), Deadlines())
    desk.display.shows(lambda one: part_of(one, NIGHT) > 0.8)

    assert desk.pid != first


def test_what_a_technician_types_reaches_the_agent_and_nobody_elses_window(desk: Desk) -> None:
    desk.screen.show(locked(), Deadlines())
    desk.display.shows(lambda one: part_of(one, NIGHT) > 0.8)
    deadline = time.monotonic() + 30
    while ScreenHeard(code="4711") not in desk.heard:
        assert time.monotonic() < deadline
        desk.display.press("Escape", "4", "7", "1", "1", "Return")
        time.sleep(0.5)


def test_identify_shows_the_number_over_everything_and_goes_away(desk: Desk) -> None:
    desk.screen.show(PLAYING, Deadlines(lock_after_ms=3_600_000, ends_in_ms=3_600_000))
    desk.screen.identify(2_000)
    picture = desk.display.shows(lambda one: part_of(one, "#2456c8") > 0.7)
    keep(picture.crop(LEFT_MONITOR), "identify")
    desk.display.shows(lambda one: part_of(one, BLACK) > 0.9)
