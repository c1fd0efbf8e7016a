"""Business time survives calendars that jump, and begins only where calendars agree."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
from stores_under_test import running_server

from actors.clock import (
    FOLLOWED_MAX_MS,
    ClockAnchor,
    Reckoning,
    ScaledClock,
    SteadyClock,
    ThisMachine,
)
from actors.store_redis import RedisStore
from actors.telemetry import Telemetry
from actors.timekeeping import (
    RECORD_FRESH_MS,
    RECORD_PREFIX,
    Adopted,
    KnownTime,
    MachineRecord,
    Refusal,
    Timekeeper,
    _read,
    adopt_calendar,
    boot_id,
    first_reckoning,
    follow_hosts,
    known_time,
)

NOON_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
BOOT = "boot-a"


@dataclass
class MovedMachine:
    """A machine whose calendar somebody moves."""

    utc: int = NOON_MS
    boot: int = 50_000

    def utc_ms(self) -> int:
        return self.utc

    def boot_ms(self) -> int:
        return self.boot

    def passes(self, ms: int) -> None:
        self.utc += ms
        self.boot += ms


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS, FOLLOWED_MAX_MS + 1, -20 * 365 * HOUR_MS])
def test_a_jump_is_told_and_not_followed(jump_ms: int) -> None:
    machine = MovedMachine()
    clock = SteadyClock(machine)
    machine.utc += jump_ms
    for _ in range(100):
        machine.passes(1_000)
        assert clock.observe() == jump_ms
    assert clock.wall_ms() == NOON_MS + 100_000


@pytest.mark.parametrize("step_ms", [FOLLOWED_MAX_MS, -FOLLOWED_MAX_MS, 400, -3])
def test_a_small_correction_is_followed_slowly_and_time_never_stands_still(step_ms: int) -> None:
    machine = MovedMachine()
    clock = SteadyClock(machine)
    machine.utc += step_ms
    last_ms = clock.wall_ms()
    for _ in range(FOLLOWED_MAX_MS):
        machine.passes(1_000)
        clock.observe()
        assert 990 <= clock.wall_ms() - last_ms <= 1_010
        last_ms = clock.wall_ms()
    assert clock.wall_ms() == machine.utc


def test_a_machine_that_slept_finds_that_time_has_passed() -> None:
    machine = MovedMachine()
    clock = SteadyClock(machine)
    machine.passes(8 * HOUR_MS)
    assert clock.wall_ms() == NOON_MS + 8 * HOUR_MS
    assert clock.observe() == 0


def test_simulated_time_does_not_multiply_a_jump() -> None:
    machine = MovedMachine()
    clock = ScaledClock(ClockAnchor(NOON_MS, NOON_MS, 30.0), SteadyClock(machine))
    machine.utc += HOUR_MS
    machine.boot += 1_000
    assert clock.wall_ms() == NOON_MS + 30_000


def record(boot: str = BOOT, **changes: object) -> MachineRecord:
    return replace(MachineRecord(boot, NOON_MS, 50_000, NOON_MS), **changes)  # type: ignore[arg-type]


def known(
    *records: MachineRecord, store_ms: int = NOON_MS, adopted: Adopted | None = None
) -> KnownTime:
    by_boot = {} if adopted is None else {adopted.boot_id: adopted}
    return KnownTime(store_ms, {each.boot_id: each for each in records}, by_boot)


PEER, OLD = "boot-b", "boot-c"
STALE_MS = RECORD_FRESH_MS + 1


@pytest.mark.parametrize(
    ("what", "calendar_ms", "facts", "begins_at_ms"),
    [
        ("nobody knows better", NOON_MS, known(), NOON_MS),
        ("the store nearly agrees", NOON_MS + FOLLOWED_MAX_MS, known(), NOON_MS + FOLLOWED_MAX_MS),
        ("same boot, calendar an hour on", NOON_MS + HOUR_MS, known(record()), NOON_MS + 10_000),
        ("same boot, calendar an hour back", NOON_MS - HOUR_MS, known(record()), NOON_MS + 10_000),
        (
            "a machine beside it agrees, the store does not",
            NOON_MS,
            known(
                record(PEER, utc_ms=NOON_MS - 500, store_ms=NOON_MS + HOUR_MS),
                store_ms=NOON_MS + HOUR_MS,
            ),
            NOON_MS,
        ),
        (
            "what waits is no witness",
            NOON_MS,
            known(record(PEER, utc_ms=NOON_MS + HOUR_MS, waiting="differs from store")),
            NOON_MS,
        ),
        (
            "an operator said so",
            NOON_MS + HOUR_MS,
            known(
                record(waiting="differs from store"),
                adopted=Adopted(BOOT, NOON_MS + HOUR_MS, 50_000, 1),
            ),
            NOON_MS + HOUR_MS + 10_000,
        ),
    ],
)
def test_a_host_begins(what: str, calendar_ms: int, facts: KnownTime, begins_at_ms: int) -> None:
    begun = first_reckoning(BOOT, Reckoning(calendar_ms, 60_000), facts)
    assert not isinstance(begun, Refusal), what
    assert begun[0] == Reckoning(begins_at_ms, 60_000), what


@pytest.mark.parametrize(
    ("calendar_ms", "facts", "why"),
    [
        (NOON_MS + HOUR_MS, known(), "differs from store"),
        (NOON_MS - HOUR_MS, known(), "differs from store"),
        (NOON_MS + HOUR_MS, known(record(PEER)), "differs from other machines"),
        (
            NOON_MS - HOUR_MS,
            known(record(OLD, store_ms=NOON_MS - STALE_MS), store_ms=NOON_MS - HOUR_MS),
            "behind what was lived",
        ),
        (NOON_MS + HOUR_MS, known(record(waiting="differs from store")), "differs from store"),
    ],
)
def test_a_host_waits(calendar_ms: int, facts: KnownTime, why: str) -> None:
    refused = first_reckoning(BOOT, Reckoning(calendar_ms, 60_000), facts)
    assert isinstance(refused, Refusal)
    assert refused.reason == why
    assert abs(refused.ahead_ms) == HOUR_MS


def test_a_record_of_a_later_release_can_be_read() -> None:
    stored = {
        f"{RECORD_PREFIX}{BOOT}": orjson.dumps({**orjson.loads(orjson.dumps(record())), "x": 1})
    }
    assert _read(MachineRecord, stored, RECORD_PREFIX) == {BOOT: record()}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RedisStore]:
    with running_server(tmp_path / "state") as server:
        opened = RedisStore.open(server.url)
        yield opened
        await opened.close()


async def kept(keeper: Timekeeper, clock: SteadyClock, telemetry: Telemetry) -> None:
    """One look of the keeper."""
    running = asyncio.create_task(keeper.run(clock, telemetry))
    await asyncio.sleep(0.3)
    running.cancel()


async def test_a_host_restarted_after_a_jump_goes_on_from_where_it_was(store: RedisStore) -> None:
    real = ThisMachine()
    machine = MovedMachine(real.utc_ms(), real.boot_ms())
    began_ms, clock = machine.utc, SteadyClock(machine)
    await Timekeeper(store, machine, BOOT).begin(clock)
    machine.utc += HOUR_MS
    machine.passes(7_000)
    again = SteadyClock(machine)
    assert again.wall_ms() == began_ms + HOUR_MS + 7_000
    keeper, telemetry = Timekeeper(store, machine, BOOT), Telemetry()
    await keeper.begin(again)
    assert again.wall_ms() == began_ms + 7_000
    await kept(keeper, again, telemetry)
    assert b"clubctl_clock_ahead_seconds 3600.0" in telemetry.exposition()
    assert b"clubctl_clock_jumps_total 1.0" in telemetry.exposition()


async def test_an_operator_says_that_the_calendar_is_right(store: RedisStore) -> None:
    real = ThisMachine()
    machine = MovedMachine(real.utc_ms(), real.boot_ms())
    keeper, clock, telemetry = Timekeeper(store, machine, BOOT), SteadyClock(machine), Telemetry()
    await keeper.begin(clock)
    machine.utc -= HOUR_MS
    machine.passes(6_000)
    await kept(keeper, clock, telemetry)
    assert (await known_time(store)).records[BOOT].ahead_ms == -HOUR_MS
    assert await adopt_calendar(store, BOOT) is not None
    assert await adopt_calendar(store, "unknown") is None
    machine.passes(6_000)
    await kept(keeper, clock, telemetry)
    assert clock.wall_ms() == machine.utc
    beside = SteadyClock(MovedMachine(machine.utc + HOUR_MS, machine.boot))
    following = asyncio.create_task(follow_hosts(store, beside, BOOT))
    await asyncio.sleep(0.3)
    following.cancel()
    assert beside.wall_ms() == machine.utc


async def test_a_fresh_machine_waits_until_its_calendar_is_put_right(store: RedisStore) -> None:
    real = ThisMachine()
    machine = MovedMachine(real.utc_ms() + HOUR_MS, real.boot_ms())
    clock = SteadyClock(machine)
    beginning = asyncio.create_task(Timekeeper(store, machine, BOOT).begin(clock))
    await asyncio.sleep(0.5)
    assert not beginning.done()
    assert (await known_time(store)).records[BOOT].waiting == "differs from store"
    machine.utc = real.utc_ms()
    await asyncio.wait_for(beginning, 10)
    assert (await known_time(store)).records[BOOT].waiting is None


def test_a_boot_of_this_machine_has_one_name() -> None:
    assert boot_id() == boot_id()
