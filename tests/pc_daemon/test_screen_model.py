"""What a screen shows: by its orders, by the time that passed, and when its agent is gone."""

import string
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pc_daemon import clock, screen
from pc_daemon.screen_model import (
    AGENT_LATENESS_S,
    NOTICE_S,
    THANKS_S,
    WARNING_S,
    ScreenKind,
    ScreenModel,
    Urgency,
)
from pc_daemon.screen_orders import (
    Alive,
    CodeTyped,
    IdentifyOrder,
    NoticeOrder,
    ShowOrder,
    from_line,
    to_line,
)
from pc_daemon.screen_texts import TEXTS, Language, Phrase
from schemas.device import LockReason, PcMode

FREE = ShowOrder(PcMode.LOCKED, LockReason.FREE, club="North", pc="PC 07")


def playing(lock_after_s: float | None = None, ends_in_s: float | None = None) -> ShowOrder:
    return ShowOrder(
        PcMode.UNLOCKED,
        lock_after_ms=None if lock_after_s is None else int(lock_after_s * 1_000),
        ends_in_ms=None if ends_in_s is None else int(ends_in_s * 1_000),
    )


def test_a_screen_covers_until_it_is_told_otherwise() -> None:
    view = ScreenModel().at(0.0)
    assert view.covers
    assert view.kind is ScreenKind.CONNECTING
    assert not ScreenModel().told(playing(60), 0.0).at(0.0).covers


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (None, ScreenKind.CONNECTING),
        (LockReason.FREE, ScreenKind.FREE),
        (LockReason.RESERVED, ScreenKind.RESERVED),
        (LockReason.MOVING, ScreenKind.MOVING),
        (LockReason.HELD, ScreenKind.HELD),
    ],
)
def test_a_locked_screen_says_why(reason: LockReason | None, kind: ScreenKind) -> None:
    assert ScreenModel().told(ShowOrder(PcMode.LOCKED, reason), 0.0).at(0.0).kind is kind


def test_an_abandoned_screen_covers_when_the_lease_it_knows_is_over() -> None:
    orphan = ScreenModel().told(playing(60), 100.0).abandoned()
    assert not orphan.at(159.9).covers
    assert orphan.at(160.0).covers
    assert ScreenModel().told(playing(), 0.0).abandoned().at(0.0).covers


def test_a_silent_agent_is_given_a_moment_to_lock_and_then_not_waited_for() -> None:
    model = ScreenModel().told(playing(60), 100.0)
    assert not model.at(159.9 + AGENT_LATENESS_S).covers
    assert model.at(160.0 + AGENT_LATENESS_S).covers


def test_a_renewed_lease_moves_the_deadline() -> None:
    model = ScreenModel().told(playing(60), 0.0).told(playing(60), 30.0).abandoned()
    assert not model.at(89.0).covers
    assert model.at(90.0).covers


def test_after_play_the_screen_says_for_a_while_how_it_ended() -> None:
    played_out = ScreenModel().told(playing(60, 60), 0.0).told(FREE, 60.0)
    assert played_out.at(60.0).kind is ScreenKind.TIME_OVER
    assert played_out.at(59.9 + THANKS_S).kind is ScreenKind.TIME_OVER
    assert played_out.at(60.0 + THANKS_S).kind is ScreenKind.FREE

    stopped_early = ScreenModel().told(playing(60, 60), 0.0).told(FREE, 20.0)
    assert stopped_early.at(20.0).kind is ScreenKind.ENDED
    open_time = ScreenModel().told(playing(1_800), 0.0).told(FREE, 20.0)
    assert open_time.at(20.0).kind is ScreenKind.ENDED


def test_whoever_comes_next_is_not_told_about_the_one_before() -> None:
    model = ScreenModel().told(playing(60, 60), 0.0).told(FREE, 60.0)
    model = model.told(playing(60, 60), 70.0)
    assert model.at(70.0).remaining is not None
    held = ScreenModel().told(playing(9, 9), 0.0).told(ShowOrder(PcMode.LOCKED, LockReason.HELD), 9)
    assert held.at(9.0).kind is ScreenKind.HELD


@pytest.mark.parametrize(
    ("left_s", "urgency", "large"),
    [
        (3_600, Urgency.NONE, False),
        (601, Urgency.NONE, False),
        (600, Urgency.SOON, True),
        (600 - WARNING_S, Urgency.SOON, False),
        (181, Urgency.SOON, False),
        (180, Urgency.VERY_SOON, True),
        (61, Urgency.VERY_SOON, False),
        (60, Urgency.LAST_MINUTE, True),
        (60 - WARNING_S, Urgency.LAST_MINUTE, False),
        (0, Urgency.LAST_MINUTE, False),
    ],
)
def test_ten_three_and_one_minute_are_warned_of(
    left_s: float, urgency: Urgency, large: bool
) -> None:
    model = ScreenModel().told(playing(7_200, 7_200), 0.0)
    remaining = model.at(7_200 - left_s).remaining
    assert remaining is not None
    assert (remaining.left_s, remaining.urgency, remaining.large) == (int(left_s), urgency, large)


def test_open_time_has_no_end_to_warn_of() -> None:
    remaining = ScreenModel().told(playing(1_800), 0.0).at(1_795.0).remaining
    assert remaining is not None
    assert remaining.left_s is None
    assert remaining.urgency is Urgency.NONE


def test_messages_and_numbers_go_away() -> None:
    model = ScreenModel().told(NoticeOrder("hi"), 0.0).told(IdentifyOrder(10_000), 5.0)
    assert (model.at(1.0).notice, model.at(NOTICE_S).notice) == ("hi", "")
    assert (model.at(14.9).identify, model.at(15.0).identify) == (True, False)


@pytest.mark.parametrize(
    "said",
    [
        FREE,
        playing(60, 50),
        NoticeOrder("Ünïcode"),
        IdentifyOrder(10_000),
        Alive(covers=True, monitors=2),
        CodeTyped("1234"),
    ],
)
def test_everything_said_is_understood_as_it_was_meant(said: ShowOrder | NoticeOrder) -> None:
    assert from_line(to_line(said)) == said


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"open": {}}',
        '{"show": []}',
        '{"show": {"mode": "OPEN"}}',
        '{"show": {"mode": "LOCKED", "reason": "BECAUSE"}}',
        '{"show": {"mode": "UNLOCKED", "lock_after_ms": "soon"}}',
        '{"show": {"mode": "LOCKED", "unknown": 1}}',
        '{"notice": {"text": 1}}',
        '{"code": {"code": "' + "1" * 65 + '"}}',
        '{"notice": {"text": "' + "x" * 9_000 + '"}}',
        "[" * 8_000,
    ],
)
def test_a_line_that_says_nothing_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        from_line(line)


@pytest.mark.parametrize("phrase", Phrase)
def test_every_phrase_is_there_in_every_language(phrase: Phrase) -> None:
    said = {language: TEXTS[language][phrase] for language in Language}
    assert all(said.values())
    assert len(set(said.values())) == len(Language)
    fields = {tuple(part[1] for part in string.Formatter().parse(text)) for text in said.values()}
    assert len({tuple(filter(None, one)) for one in fields}) == 1


def test_a_screen_that_was_killed_does_not_wait_for_what_it_does_not_need() -> None:
    program = "import sys, pc_daemon.screen; print(sorted(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "'pc_daemon.screen_model'" in loaded
    assert "'pydantic'" not in loaded


def test_a_screen_counts_the_time_its_pc_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Callable[[], float]] = {}

    class Made:
        def __init__(self, **parts: Any) -> None:
            made["now_s"] = parts["now_s"]

        def run(self) -> None:
            """Nobody looks."""

    monkeypatch.setattr(screen, "ScreenProcess", Made)
    monkeypatch.setattr(clock, "_boot_ns", lambda: 7_200_000_000_000)
    monkeypatch.setattr(sys, "argv", ["screen"])
    monkeypatch.delenv("DISPLAY", raising=False)
    screen.main()
    assert made["now_s"]() == 7_200.0
