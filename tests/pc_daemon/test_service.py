"""An agent as it runs: on the in-memory broker, with a screen that is looked at."""

import time
from collections.abc import AsyncIterator

import pytest
from brokers_under_test import eventually
from service_bench import Club, reason_of

from pc_daemon.clock import ClockAnchor, ScaledClock
from pc_daemon.lockers import ScreenHeard, ScreenNews
from schemas.device import (
    AgentFault,
    Birth,
    Heartbeat,
    PcMode,
    Presence,
    PresenceReason,
    Reported,
    UsageBatch,
)
from schemas.journal_events import JournalEventKind
from schemas.topics import DownLeaf


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    under_test = Club()
    under_test.service.start()
    await eventually(lambda: under_test.last(Reported))
    yield under_test
    await under_test.service.kill()


async def test_it_introduces_itself_before_it_reports_and_then_beats(club: Club) -> None:
    await eventually(lambda: sum(isinstance(m, Heartbeat) for m in club.messages()) >= 3)

    kinds = [type(message) for message in club.messages()]
    assert kinds[:3] == [Birth, Presence, Reported]
    assert kinds[3] is UsageBatch
    assert set(kinds[4:]) == {Heartbeat}


async def test_it_unlocks_on_a_lease_and_locks_when_the_document_says_so(club: Club) -> None:
    club.acknowledge()
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    assert club.locker.deadlines.lock_after_ms is not None
    assert 29 * 60_000 < club.locker.deadlines.lock_after_ms <= 30 * 60_000

    club.desire(2, minutes=None)
    await eventually(lambda: club.mode is PcMode.LOCKED)
    await eventually(lambda: club.service.state.usage.records)
    assert club.journal.load().entries == club.service.state.usage.records

    club.acknowledge()
    await eventually(lambda: not club.service.state.usage.records)
    assert club.journal.load().entries == ()


async def test_a_withdrawn_document_locks(club: Club) -> None:
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)

    club.say(DownLeaf.DESIRED, b"", retain=True)

    await eventually(lambda: club.mode is PcMode.LOCKED)


async def test_it_locks_on_time_without_anybody_at_the_other_end(club: Club) -> None:
    club.desire(1, minutes=0.5 / 60)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    club.broker.stop()

    await eventually(lambda: club.mode is PcMode.LOCKED, timeout_s=3)

    assert not club.service.link.connected


async def test_business_time_locks_and_real_time_beats_in_a_fast_simulation() -> None:
    speed = 600.0
    anchor = ClockAnchor(
        business_at_ms=1_900_000_000_000, real_at_ms=time.time_ns() // 1_000_000, speed=speed
    )
    club = Club(clock=ScaledClock(anchor), heartbeat_s=0.3)
    club.service.start()
    await eventually(lambda: club.last(Reported))

    club.desire(1, minutes=10)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    assert club.locker.deadlines.lock_after_ms is not None
    assert club.locker.deadlines.lock_after_ms <= 10 * 60_000 / speed
    started = time.monotonic()
    await eventually(lambda: club.mode is PcMode.LOCKED)

    assert 0.7 < time.monotonic() - started < 2.5
    beats = sum(isinstance(m, Heartbeat) for m in club.messages())
    assert beats <= 8
    await club.service.kill()


@pytest.mark.parametrize(
    "payload",
    [b"{", b"\xff\xfe", b'{"v": 2}', b'{"v": 1, "epoch": -1}', b"[]", b"x" * 5_000],
)
async def test_malformed_documents_are_counted_and_change_nothing(
    club: Club, payload: bytes
) -> None:
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)

    club.say(DownLeaf.DESIRED, payload)

    await eventually(lambda: club.service.stats.malformed == 1)
    assert club.mode is PcMode.UNLOCKED


async def test_a_broken_screen_is_reported_and_heals(club: Club) -> None:
    club.locker.broken = True
    await eventually(lambda: _errors(club) == (AgentFault.LOCKER_FAILED,))
    beat = club.last(Heartbeat)

    club.locker.broken = False
    await eventually(lambda: _errors(club) == ())

    assert beat is not None
    assert club.mode is PcMode.LOCKED


async def test_who_works_against_the_screen_is_in_the_journal(club: Club) -> None:
    for news in (ScreenNews.HIDDEN, ScreenNews.INPUT_HELD, ScreenNews.TAMPERED):
        club.locker.hear(ScreenHeard(news))

    def details() -> list[str]:
        told = (one for one in club.messages() if isinstance(one, UsageBatch))
        events = (event for report in told for event in report.events)
        return [one.detail for one in events if one.kind is JournalEventKind.TAMPER]

    await eventually(lambda: len(set(details())) == 3)


async def test_a_full_disk_is_reported_and_heals_and_locks_nobody_out(club: Club) -> None:
    club.journal.full = True
    club.desire(1, minutes=30)
    await eventually(lambda: _errors(club) == (AgentFault.JOURNAL_FAILED,))
    assert club.mode is PcMode.UNLOCKED

    club.journal.full = False
    await eventually(lambda: _errors(club) == ())

    memory = club.journal.load()
    assert memory.image is not None
    assert memory.image.document is not None
    assert [entry.boot_id for entry in memory.entries] == ["boot-1"]


def _errors(club: Club) -> tuple[AgentFault, ...] | None:
    report = club.last(Reported)
    return report.errors if isinstance(report, Reported) else None


async def test_a_restarted_agent_goes_on_where_the_journal_says(club: Club) -> None:
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    await club.service.kill()
    club.broker.stop()
    club.locker.screen = None

    club.service = club.make_service()
    club.service.start()

    assert club.mode is PcMode.UNLOCKED


async def test_a_clean_stop_says_goodbye_and_no_will_follows(club: Club) -> None:
    await club.service.stop(PresenceReason.SHUTDOWN)
    await eventually(lambda: reason_of(club) is PresenceReason.SHUTDOWN)
