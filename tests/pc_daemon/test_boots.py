"""Which boot it is, on systems that name their boots, count them, or say nothing."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from pc_daemon.boots import CLOCKS_AGREE_MS, boot_id
from pc_daemon.clock import Instant, SystemClock

MORNING = Instant(boot_ms=60_000, wall_ms=1_800_000_000_000)


def later(ms: int, *, calendar_ms: int = 0, since_boot_ms: int | None = None) -> Instant:
    boot_ms = MORNING.boot_ms + ms if since_boot_ms is None else since_boot_ms
    return Instant(boot_ms, MORNING.wall_ms + ms + calendar_ms)


@pytest.fixture
def named(tmp_path: Path) -> Callable[..., str]:
    drawn = count(1)

    def start(now: Instant, counted: str | None = None) -> str:
        """The boot an agent that starts now believes in, on a system that names none."""
        return boot_id(
            tmp_path,
            now,
            named=lambda: None,
            counted=lambda: counted,
            draw=lambda: f"boot-{next(drawn)}",
        )

    return start


def test_linux_names_its_boots_and_nothing_is_kept(tmp_path: Path) -> None:
    now = SystemClock().now()
    assert boot_id(tmp_path, now) == boot_id(tmp_path, now)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("counted", [None, "37"])
def test_an_agent_killed_and_started_again_is_in_the_same_boot(
    counted: str | None, named: Callable[..., str]
) -> None:
    first = named(MORNING, counted)
    assert named(later(600_000), counted) == first
    assert named(later(3_600_000, calendar_ms=CLOCKS_AGREE_MS), counted) == first


@pytest.mark.parametrize("counted", [None, "37"])
def test_a_boot_clock_that_went_back_is_another_boot(
    counted: str | None, named: Callable[..., str]
) -> None:
    first = named(MORNING, counted)
    assert named(later(600_000, since_boot_ms=20_000), counted) != first


def test_a_reboot_whose_clock_has_run_on_further_is_another_boot(
    named: Callable[..., str],
) -> None:
    first = named(MORNING)
    assert named(later(600_000, since_boot_ms=65_000)) != first


def test_a_boot_that_windows_counted_is_another_whatever_the_clocks_say(
    named: Callable[..., str],
) -> None:
    first = named(MORNING, "37")
    assert named(later(600_000), "38") != first


def test_windows_is_believed_over_a_calendar_that_was_set(named: Callable[..., str]) -> None:
    first = named(MORNING, "37")
    assert named(later(600_000, calendar_ms=-86_400_000), "37") == first


def test_copies_of_a_disk_are_in_boots_of_their_own(tmp_path: Path) -> None:
    for copy in ("one", "other"):
        boot_id(tmp_path, MORNING, named=lambda: None, counted=lambda: "36")
        (tmp_path / copy).mkdir()
        (tmp_path / copy / "boot.json").write_bytes((tmp_path / "boot.json").read_bytes())
    names = [
        boot_id(tmp_path / copy, later(60_000), named=lambda: None, counted=lambda: "37")
        for copy in ("one", "other")
    ]
    assert names[0] != names[1]


def test_a_note_nobody_can_read_is_no_boot_before(
    tmp_path: Path, named: Callable[..., str]
) -> None:
    first = named(MORNING)
    (tmp_path / "boot.json").write_text("{")
    assert named(later(1_000)) != first
