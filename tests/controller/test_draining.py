"""Hosts leave when they should: drained by an operator, or of a release gone by."""

from dataclasses import dataclass, field

import pytest
from clubs_under_test import CLUBS, seed

from actors.store import HostRecord
from actors.store_memory import MemoryStore
from controller.draining import departures, set_drained, take_charge
from controller.supervise import NoRoomError, Supervisor

OLD, NEW = ("1-h0", "1-h1"), ("2-h0", "2-h1")
TTL_MS = 60_000


def record(name: str, *, draining: bool = False, shards: int = 0) -> HostRecord:
    return HostRecord(name, f"i-{name}", shards, draining, {"release": name[0]})


@pytest.mark.parametrize(
    ("live", "drained", "assigned", "tell", "end"),
    [
        ([record(n) for n in NEW], (), NEW, (), ()),
        # Half of the new release cannot take over yet.
        ([record(n) for n in (*OLD, "2-h0")], (), OLD, (), ()),
        ([record(n) for n in (*OLD, *NEW)], (), OLD, OLD, ()),
        ([record("1-h0", draining=True, shards=1), *map(record, NEW)], (), NEW, (), ()),
        ([record("1-h0", draining=True), *map(record, NEW)], (), ("1-h0",), (), ()),
        ([record("1-h0", draining=True), *map(record, NEW)], (), NEW, (), ("1-h0",)),
        ([record(n) for n in NEW], ("2-h1",), NEW, ("2-h1",), ()),
        ([record("2-h0"), record("2-h1", draining=True)], ("2-h1",), ("2-h0",), (), ("2-h1",)),
        # A drained host is not waited for.
        ([record(n) for n in (*OLD, "2-h0")], ("2-h1",), OLD, OLD, ()),
    ],
)
def test_who_is_told_and_who_is_ended(
    *,
    live: list[HostRecord],
    drained: tuple[str, ...],
    assigned: tuple[str, ...],
    tell: tuple[str, ...],
    end: tuple[str, ...],
) -> None:
    found = departures(live, wanted=NEW, drained=frozenset(drained), assigned=assigned)
    assert tuple(each.name for each in found.tell) == tell
    assert tuple(each.name for each in found.end) == end


@dataclass
class HostsInTheStore:
    """Hosts that beat and obey at once, and own what they are assigned."""

    store: MemoryStore
    release: str
    room: bool = True
    ensured: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return (f"{self.release}-h0", f"{self.release}-h1")

    def ensure(self, name: str) -> None:
        self.ensured.add(name)

    def drain(self, host: HostRecord) -> None:
        self.told.append(host.name)

    def end(self, host: HostRecord) -> None:
        self.ended.append(host.name)

    def has_room(self) -> bool:
        return self.room

    async def beat(self, *names: str) -> None:
        """Every host says how it is, by the newest map."""
        owners = list((await self.store.assignments()).values())
        for name in names:
            told = record(name, draining=name in self.told, shards=owners.count(name))
            await self.store.beat(told, ttl_ms=TTL_MS)


async def test_a_new_release_takes_over_and_the_old_one_leaves() -> None:
    store = MemoryStore()
    await seed(store)
    old, new = HostsInTheStore(store, "1"), HostsInTheStore(store, "2")
    before, after = Supervisor(store, old), Supervisor(store, new)
    await take_charge(store, "1")
    await old.beat(*OLD)
    assert set((await before.step()).values()) == set(OLD)
    await take_charge(store, "2")
    await old.beat(*OLD)
    await after.step()
    assert new.told == [], "nobody is there to take over"
    await new.beat(*OLD, *NEW)
    await after.step()
    assert new.told == list(OLD)
    await new.beat(*OLD, *NEW)
    assert set((await after.step()).values()) == set(NEW)
    assert new.ended == []
    await new.beat(*OLD, *NEW)
    for _ in range(3):
        await after.step()
    assert new.ended == list(OLD), "each once"
    assert await before.step() == {}, "a release that is not in charge stands by"
    assert old.told == old.ended == []
    assert len(await store.assignments()) == len(CLUBS)


async def test_a_drained_host_is_emptied_ended_and_not_started_again() -> None:
    store = MemoryStore()
    await seed(store)
    fleet = HostsInTheStore(store, "2")
    supervisor = Supervisor(store, fleet)
    await fleet.beat(*NEW)
    await supervisor.step()
    await set_drained(store, ["2-h0"])
    fleet.ensured.clear()
    for _ in range(3):
        await supervisor.step()
        await fleet.beat(*NEW)
    assert set((await store.assignments()).values()) == {"2-h1"}
    assert fleet.ended == ["2-h0"]
    assert fleet.ensured == {"2-h1"}
    await set_drained(store, [])
    await supervisor.step()
    assert fleet.ensured == set(NEW)


async def test_a_controller_without_any_place_for_hosts_gives_up() -> None:
    store = MemoryStore()
    await seed(store)
    fleet = HostsInTheStore(store, "2")
    supervisor = Supervisor(store, fleet)
    assert await supervisor.step() == {}, "they may be about to start"
    fleet.room = False
    with pytest.raises(NoRoomError):
        await supervisor.step()
    await store.beat(record("2-h0"), ttl_ms=TTL_MS)
    await supervisor.step()
