"""The rows of the fault matrix that take seconds: one house, one fault after another."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial

import pytest
import pytest_asyncio
from clubs_under_test import CHAIN, CLUBS
from faulted_house import EVERYTHING, IDLE, FaultedHouse, FaultReport, machine_ms
from paying_customer import paying
from stack_under_test import send_signal, until

from actors.placement import shard_of_club
from actors.store import ChainStream, Ownership, Unit, place_of
from controller.archive import open_archive
from controller.demo.processes import answers
from controller.verify import missing_rows

pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
DISK_LEFT_BYTES = 30_000
FROZEN_S = 4.0
FULL_S = 8.0
LEDGER = ChainStream.LEDGER


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def sound_afterwards(house: FaultedHouse) -> AsyncIterator[None]:
    """Whatever the row did: nothing acknowledged lost, nothing doubled, the books agree."""
    async with paying(house):
        yield
    await house.books_are_whole()


async def test_a_host_is_killed(house: FaultedHouse, report: FaultReport) -> None:
    victim = await house.owner("north")
    clubs, place = await house.clubs_of(victim), await house.newest_entry()
    send_signal(victim, signal.SIGKILL)
    report.note("host killed", [await house.ticks_go_on(machine_ms(), after=place, clubs=clubs)])


async def test_the_store_is_killed(house: FaultedHouse, report: FaultReport) -> None:
    place, valkey = await house.newest_entry(), house.stack.processes.valkey
    killed_at_ms = machine_ms()
    valkey.kill()
    valkey.start()
    report.note("store killed", [await house.ticks_go_on(killed_at_ms, after=place, clubs=CLUBS)])


async def test_the_store_is_frozen_for_moments(house: FaultedHouse, report: FaultReport) -> None:
    place, child = await house.newest_entry(), house.stack.processes.valkey.child
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    await asyncio.sleep(FROZEN_S)
    os.kill(child.pid, signal.SIGCONT)
    seconds = await house.ticks_go_on(machine_ms(), after=place, clubs=CLUBS)
    report.note(f"store frozen {FROZEN_S:.0f} s (from its return)", [seconds])


async def test_the_store_has_no_room_on_its_disk(house: FaultedHouse, report: FaultReport) -> None:
    """It must not acknowledge what it cannot keep: it ends, and says why."""
    place, valkey = await house.newest_entry(), house.stack.processes.valkey
    assert valkey.child.pid is not None
    folder = house.stack.processes.state.folder("valkey")
    largest = max(file.stat().st_size for file in folder.rglob("*.aof"))
    limit = largest + DISK_LEFT_BYTES
    resource.prlimit(valkey.child.pid, resource.RLIMIT_FSIZE, (limit, limit))

    async def ended() -> bool:
        return not valkey.child.is_running

    await until(ended, what="the store's end")
    assert "AOF" in valkey.child.log_tail()
    await asyncio.sleep(1)
    back_at_ms = machine_ms()
    valkey.start()
    seconds = await house.ticks_go_on(back_at_ms, after=place, clubs=CLUBS)
    report.note("store's disk full (from its restart)", [seconds])


async def test_the_archives_volume_is_full(house: FaultedHouse, report: FaultReport) -> None:
    """It waits and takes nothing; the store keeps what it lacks, and then gives all of it."""
    store, process = house.stack.store, house.stack.processes.archive
    assert process.pid is not None
    with closing(open_archive(house.stack.processes.archive_url)) as archive:

        async def reached(entry_id: str) -> bool:
            return place_of(await archive.cursor(CHAIN, LEDGER)) >= place_of(entry_id)

        async def refused() -> bool:
            return "archive_retry" in process.log_tail()

        begun = await house.newest_entry()
        await until(partial(reached, begun), what="the archive's first rows")
        files = house.stack.processes.state.path.glob("archive.db*")
        limit = max(file.stat().st_size for file in files) + DISK_LEFT_BYTES
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        await until(refused, what="a full volume")
        full_at_ms, place = machine_ms(), await house.newest_entry()
        stands = await archive.cursor(CHAIN, LEDGER), await store.trimmed_before(CHAIN, LEDGER)
        seconds = await house.ticks_go_on(full_at_ms, after=place, clubs=CLUBS)
        await asyncio.sleep(FULL_S)
        then = await archive.cursor(CHAIN, LEDGER), await store.trimmed_before(CHAIN, LEDGER)
        assert then == stands
        assert process.is_running
        newest, back_at_ms = await house.newest_entry(), machine_ms()
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        await until(partial(reached, newest), what="the archive's catching up")
        took_s = (machine_ms() - back_at_ms) / 1_000
        held = await archive.transactions(CHAIN)
        ledger = await store.stream(CHAIN, LEDGER, count=EVERYTHING)
        assert place_of(held[-1].entry_id) >= place_of(newest)
        assert missing_rows([entry.payload for entry in ledger[: len(held)]], held) == []
    report.note("archive's volume full (next tick)", [seconds], caught_up_after_s=took_s)


async def test_the_broker_is_killed(house: FaultedHouse, report: FaultReport) -> None:
    place, broker = await house.newest_entry(), house.stack.processes.broker
    killed_at_ms = machine_ms()
    broker.kill()
    seconds = await house.ticks_go_on(killed_at_ms, after=place, clubs=CLUBS)
    report.note("broker killed", [seconds])
    broker.start()


@pytest.mark.parametrize("killed_after_s", [0.0, 0.005, 0.02, 0.2])
async def test_the_api_is_killed_and_a_retry_is_answered_once(
    house: FaultedHouse, report: FaultReport, killed_after_s: float
) -> None:
    """Before, while and after the command is decided: the same key has one effect."""
    stack, place = house.stack, await house.newest_entry()
    path = f"clubs/north/players/{IDLE}/wallet/top-ups"
    key = {"Idempotency-Key": f"killed-after-{killed_after_s}"}
    before, _ = await stack.wallet(IDLE)
    asking = asyncio.create_task(stack.client.post(path, json={"amountMinor": 100}, headers=key))
    await asyncio.sleep(killed_after_s)
    killed_at_ms = machine_ms()
    stack.processes.api.kill()
    (first,) = await asyncio.gather(asking, return_exceptions=True)
    seconds = await house.ticks_go_on(killed_at_ms, after=place, clubs=CLUBS)
    report.note(f"API killed {killed_after_s} s after a command was sent", [seconds])
    stack.processes.api.start()

    async def serving() -> bool:
        return await answers(f"{stack.processes.shape.hall_url}/readyz")

    await until(serving, what="the API")
    again = await stack.client.post(path, json={"amountMinor": 100}, headers=key)
    assert again.is_success, again.text
    if not isinstance(first, BaseException):
        assert (again.status_code, again.json()) == (first.status_code, first.json())
    after, _ = await stack.wallet(IDLE)
    assert after == before + 100


async def test_a_host_is_frozen_and_returns(house: FaultedHouse, report: FaultReport) -> None:
    """It is found by its silence; once it is back, nothing of it is in the books."""
    victim = await house.owner("north")
    clubs, place = await house.clubs_of(victim), await house.newest_entry()
    frozen_at_ms = machine_ms()
    send_signal(victim, signal.SIGSTOP)
    try:
        seconds = await house.ticks_go_on(frozen_at_ms, after=place, clubs=clubs)
    finally:
        send_signal(victim, signal.SIGCONT)
    report.note("host frozen for moments", [seconds])

    async def back() -> bool:
        return await house.stack.host(victim.name) is not None

    await until(back, what="the frozen host's return")


async def test_a_zombie_is_refused(house: FaultedHouse) -> None:
    """Somebody who owned the shard before writes nothing, whatever it holds in memory."""
    store = house.stack.store
    shard = shard_of_club(CHAIN, "north")
    owner = (await store.owners([shard]))[shard]
    former = Ownership(shard, owner.epoch - 1, "a nonce of before", owner.host)
    result = await store.commit(former, 1, [Unit(deltas=(("EUR:a", 1), ("EUR:b", -1)))])
    assert result.fenced
