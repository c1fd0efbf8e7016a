"""Screens that a player ends or hides: noticed, told of, and handed to the last resort."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from screens_under_test import LOCKED, SOON, UNLOCKED, Rig, a_rig, is_sound, soon

from pc_daemon import session_screen
from pc_daemon.agent_state import Screen
from pc_daemon.last_resort import Plight
from pc_daemon.lockers import Deadlines, ScreenNews


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with a_rig(tmp_path) as rig:
        yield rig


HINDERED = """
import sys, time
while True:
    print('{"alive": {"covers": false, "monitors": 1, "hindrance": %s}}', flush=True)
    time.sleep(0.05)
"""


@pytest.mark.parametrize(
    ("hindrance", "news", "plight"),
    [
        ('"hidden"', ScreenNews.HIDDEN, Plight.HIDDEN),
        ('"input"', ScreenNews.INPUT_HELD, Plight.INPUT),
        ("null", ScreenNews.HIDDEN, Plight.HIDDEN),
    ],
)
def test_a_screen_that_says_that_it_does_not_cover_is_not_relied_on(
    hindrance: str, news: ScreenNews, plight: Plight, rig: Rig
) -> None:
    locker = rig.make(HINDERED % hindrance)
    locker.show(UNLOCKED, SOON)
    rig.skipped_s += session_screen.COVERS_WITHIN_S
    time.sleep(0.5)
    locker.check()
    locker.show(LOCKED, Deadlines())
    rig.skipped_s += session_screen.COVERS_WITHIN_S

    soon(lambda: not is_sound(locker))
    soon(lambda: not is_sound(locker))
    locker.close()

    assert [one.news for one in rig.heard if one.news is not ScreenNews.DIED] == [news]
    assert set(rig.resorts) == {plight}


def test_a_program_that_hides_the_lock_three_times_is_tampering(rig: Rig) -> None:
    flips = """
import time
for hidden in (1, 0, 1, 0, 1, 0):
    said = '"covers": false, "hindrance": "hidden"' if hidden else '"covers": true'
    print('{"alive": {%s, "monitors": 1}}' % said, flush=True)
    time.sleep(0.2)
time.sleep(60)
"""
    locker = rig.make(flips)
    locker.show(LOCKED, Deadlines())

    def is_tampering() -> bool:
        is_sound(locker)
        return Plight.TAMPERED in rig.resorts

    soon(is_tampering)
    locker.close()


@pytest.mark.parametrize(
    ("screen", "resorts"), [(LOCKED, [Plight.TAMPERED]), (UNLOCKED, [])], ids=["locked", "paid"]
)
def test_three_deaths_within_five_minutes_are_tampering(
    screen: Screen, resorts: list[Plight], rig: Rig
) -> None:
    rig.locker.show(screen, Deadlines())
    soon(rig.told)
    for death in range(1, session_screen.TAMPER_DEATHS + 1):
        time.sleep(session_screen.LEAST_LIFE_S)
        psutil.Process(rig.pid).kill()
        soon(lambda death=death: rig.died() == death)
        rig.locker.show(screen, Deadlines())
    assert [one.news for one in rig.heard].count(ScreenNews.TAMPERED) == 1
    assert rig.resorts == resorts


def test_screens_that_never_came_up_were_not_ended_by_the_player(rig: Rig) -> None:
    locker = rig.make("import time; time.sleep(0.3)")
    for death in range(1, session_screen.TAMPER_DEATHS + 2):
        locker.show(LOCKED, Deadlines())
        soon(lambda death=death: rig.died() == death)
    locker.close()
    assert set(rig.resorts) == {Plight.NO_SCREEN}


def test_a_screen_that_is_ending_is_not_told_what_to_show(rig: Rig) -> None:
    locker = rig.make("import os, time; os.close(1); time.sleep(60)")
    locker.show(LOCKED, Deadlines())
    soon(lambda: rig.died() == 1)
    ending = psutil.Process(rig.pid)
    time.sleep(session_screen.LEAST_LIFE_S)
    locker.show(LOCKED, Deadlines())
    assert rig.pid != ending.pid
    soon(lambda: not ending.is_running() or ending.status() == psutil.STATUS_ZOMBIE)
    locker.close()
