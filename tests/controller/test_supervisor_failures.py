"""What the supervisor does while Ray fails, and how little it reads while nothing changes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from clubs_under_test import CLUBS, catalogue, seed

from actors.ray_host import RayUnavailableError
from actors.store import HostRecord, StoreUnavailableError
from actors.store_memory import MemoryStore
from controller.draining import take_charge
from controller.supervise import (
    RAY_PATIENCE_STEPS,
    RAY_RETRY_STEPS,
    SHARDS_FRESH_STEPS,
    NoRoomError,
    Supervisor,
    supervise,
)

TTL_MS = 60_000
HOST = HostRecord("2-h0", "i0", 0, False, {"release": "2"})
LEAVING = HostRecord("1-h0", "i1", 0, True, {"release": "1"})


@dataclass
class MoodyHosts:
    """Hosts behind a Ray that does what it is asked, or fails."""

    release: str = "2"
    names: tuple[str, ...] = ("2-h0",)
    away: bool = False
    done: list[str] = field(default_factory=list)

    def _do(self, action: str) -> None:
        if self.away:
            raise RayUnavailableError("no answer")
        self.done.append(action)

    def ensure(self, name: str) -> None:
        self._do(f"ensure {name}")

    def drain(self, host: HostRecord) -> None:
        self._do(f"drain {host.name}")

    def end(self, host: HostRecord) -> None:
        self._do(f"end {host.name}")

    def has_room(self) -> bool:
        self._do("look")
        return True


class ReadCounted(MemoryStore):
    """Counts readings of catalogues; ``away`` refuses them."""

    reads = 0
    away = False

    async def catalogue(self, chain_id: str) -> dict[str, bytes]:
        self.reads += 1
        if self.away:
            raise StoreUnavailableError("away")
        return await super().catalogue(chain_id)


async def seeded() -> ReadCounted:
    store = ReadCounted()
    await seed(store)
    await store.beat(HOST, ttl_ms=TTL_MS)
    return store


async def test_shards_are_assigned_while_ray_fails_and_hosts_made_sure_of_soon_after() -> None:
    store, fleet = await seeded(), MoodyHosts(away=True)
    supervisor = Supervisor(store, fleet)
    assert len(await supervisor.step()) == len(CLUBS)
    assert supervisor.ray_failures == 1
    fleet.away = False
    for _ in range(RAY_RETRY_STEPS):
        assert fleet.done == []
        await supervisor.step()
    assert fleet.done == ["ensure 2-h0"]
    assert supervisor.ray_failures == 0


async def test_a_host_that_could_not_be_ended_is_ended_later() -> None:
    store, fleet = await seeded(), MoodyHosts()
    await store.beat(LEAVING, ttl_ms=TTL_MS)
    supervisor = Supervisor(store, fleet)
    fleet.away = True
    await supervisor.step()
    fleet.away = False
    for _ in range(2):
        await supervisor.step()
    assert fleet.done == ["end 1-h0"]


async def test_a_ray_that_never_answers_is_given_up_when_no_host_lives() -> None:
    store, fleet = MemoryStore(), MoodyHosts(away=True)
    supervisor = Supervisor(store, fleet)
    while supervisor.ray_failures < RAY_PATIENCE_STEPS - 1:
        assert await supervisor.step() == {}
    with pytest.raises(NoRoomError):
        await supervisor.step()
    assert supervisor.ray_failures == RAY_PATIENCE_STEPS


async def test_the_catalogue_is_read_when_it_changed_and_seldom_otherwise() -> None:
    store = await seeded()
    supervisor = Supervisor(store, MoodyHosts())
    for _ in range(SHARDS_FRESH_STEPS):
        await supervisor.step()
    assert store.reads == 1
    await supervisor.step()
    assert store.reads == 2
    await supervisor.catalogue_changed()
    await supervisor.step()
    assert store.reads == 3


async def test_a_reading_that_fails_takes_no_shard_away() -> None:
    store = await seeded()
    supervisor = Supervisor(store, MoodyHosts())
    await supervisor.step()
    await supervisor.catalogue_changed()
    store.away = True
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await supervisor.step()
    store.away = False
    assert await supervisor.step() == {}
    assert len(await store.assignments()) == len(CLUBS)


async def test_a_new_chain_is_assigned_when_it_is_announced() -> None:
    store, stop = await seeded(), asyncio.Event()
    running = asyncio.create_task(supervise(store, MoodyHosts(), stop=stop))
    await until(lambda: len(store._server.assignments) == len(CLUBS))
    club = catalogue()["club:north"].replace(b"north", b"west")
    await store.put("other", {"club:west": club})
    await until(lambda: len(store._server.assignments) == len(CLUBS) + 1)
    stop.set()
    await running


async def test_a_dead_hosts_shards_are_given_away_at_once_and_the_others_told() -> None:
    store, told = await seeded(), []
    other = HostRecord("2-h1", "i2", 0, False, {"release": "2"})
    await store.beat(other, ttl_ms=TTL_MS)
    fleet = MoodyHosts(names=("2-h0", "2-h1"))
    supervisor = Supervisor(store, fleet, lambda: told.append("look"))
    await supervisor.step()
    assert set((await store.assignments()).values()) == {"2-h0", "2-h1"}
    await supervisor.host_gone("2-h0", "an incarnation of before")
    assert set((await store.assignments()).values()) == {"2-h0", "2-h1"}
    await supervisor.host_gone("2-h0", HOST.incarnation)
    assert set((await store.assignments()).values()) == {"2-h1"}
    assert told == ["look", "look"]


async def test_a_controller_that_stands_by_gives_nothing_away() -> None:
    store = await seeded()
    await Supervisor(store, MoodyHosts()).step()
    before = await store.assignments()
    await store.beat(HostRecord("3-h0", "i3", 0, False, {"release": "3"}), ttl_ms=TTL_MS)
    await take_charge(store, "3")
    await Supervisor(store, MoodyHosts()).host_gone("2-h0", HOST.incarnation)
    assert [record.name for record in await store.hosts()] == ["3-h0"]
    assert await store.assignments() == before


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the store offers nothing to wait for
            await asyncio.sleep(0.02)
