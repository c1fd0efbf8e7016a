"""One session's document is damaged in the store: it alone stands still, and then catches up."""

import asyncio
import os
import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from clubs_under_test import CHAIN, CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms
from stack_under_test import send_signal, until

from actors.placement import shard_of_club
from actors.redis_link import RedisLink
from actors.store import ChainStream, HostRecord, session_key
from actors.store_keys import ChainKeys

pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]
CLUB = "north"
HOSTS = 2
PATIENCE_S = 90.0
AT_REST_S = 0.5


class StoredDocument:
    """A session's document past the store, as somebody with a console of the server sees it."""

    def __init__(self, link: RedisLink, session_id: str) -> None:
        self._link = link
        self._place = ChainKeys(CHAIN).shard(shard_of_club(CHAIN, CLUB).number)
        self._field = session_key(session_id)

    async def read(self) -> bytes:
        found: bytes = await self._link.call("HGET", self._place, self._field)
        return found

    async def at_rest(self) -> bytes:
        """Once whatever was sent by hosts that stand still now is written."""
        before, found = b"", await self.read()
        while found != before:
            await asyncio.sleep(AT_REST_S)
            before, found = found, await self.read()
        return found

    async def write(self, stored: bytes) -> None:
        await self._link.call("HSET", self._place, self._field, stored)


@asynccontextmanager
async def document_of(house: FaultedHouse, session_id: str) -> AsyncIterator[StoredDocument]:
    link = RedisLink.open(house.stack.processes.valkey.url)
    try:
        yield StoredDocument(link, session_id)
    finally:
        await link.close()


async def hosts_alive(house: FaultedHouse) -> tuple[HostRecord, ...]:
    """Every host, once all of them live."""
    found: tuple[HostRecord, ...] = ()

    async def all_there() -> bool:
        nonlocal found
        found = await house.stack.store.hosts()
        return len(found) == HOSTS

    await until(all_there, within_s=PATIENCE_S, what="every host")
    return found


def to_each(hosts: tuple[HostRecord, ...], number: signal.Signals) -> None:
    for host in hosts:
        send_signal(host, number)


async def listed(house: FaultedHouse) -> str:
    """What ``clubctl quarantine`` prints."""
    command = await create_subprocess_exec(
        *(sys.executable, "-m", "controller.cli", "quarantine"),
        env={**os.environ, **house.stack.processes.environment, "COLUMNS": "200"},
        stdout=PIPE,
    )
    printed, _ = await command.communicate()
    assert command.returncode == 0
    return printed.decode()


async def billed_after(house: FaultedHouse, place: str) -> set[str]:
    """Sessions with a step after this entry of the ledger."""
    entries = await house.stack.store.stream(
        CHAIN, ChainStream.LEDGER, after=place, count=1_000_000
    )
    return {str(orjson.loads(entry.payload).get("session_id")) for entry in entries}


async def test_a_damaged_document_costs_its_own_session_until_it_is_repaired(
    house: FaultedHouse, report: FaultReport
) -> None:
    poisoned, *_ = ours = sorted(house.sessions[CLUB])
    neighbours = house.session_ids - {poisoned}
    async with document_of(house, poisoned) as document:
        # Hosts bill from memory, so one that lives would write over what was damaged.
        hosts = await hosts_alive(house)
        to_each(hosts, signal.SIGSTOP)
        sound = await document.at_rest()
        damaged = sound[: len(sound) // 2]
        await document.write(damaged)
        place, killed_at_ms = await house.newest_entry(), machine_ms()
        to_each(hosts, signal.SIGKILL)
        seconds = await house.ticks_go_on(killed_at_ms, after=place, clubs=CLUBS)

        shown: list[str] = []

        async def parked() -> bool:
            shown.append(await listed(house))
            return poisoned in shown[-1]

        await until(parked, within_s=PATIENCE_S, what="the session in the list")
        assert [one for one in ours if one in shown[-1]] == [poisoned]
        place = await house.newest_entry()

        async def neighbours_billed() -> bool:
            return await billed_after(house, place) >= neighbours

        await until(neighbours_billed, within_s=PATIENCE_S, what="a step of every neighbour")
        assert poisoned not in await billed_after(house, place)
        assert await document.read() == damaged
        await document.write(sound)
    # A document of a shard is read when the shard is loaded.
    to_each(await hosts_alive(house), signal.SIGKILL)

    async def nothing_parked() -> bool:
        return "nothing is set aside" in await listed(house)

    await until(nothing_parked, within_s=PATIENCE_S, what="an empty list")
    await house.books_are_whole()
    assert poisoned in await billed_after(house, place)
    report.note("a session's document damaged (neighbours, from the host's end)", [seconds])
