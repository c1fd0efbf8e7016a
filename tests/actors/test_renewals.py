"""A PC of which staff want a new secret is told so by the host that owns its club."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from brokers_under_test import Listener, eventually
from clubs_under_test import CHAIN, seed

from actors.clock import SystemClock
from actors.host import Host
from actors.local_host import local_host
from actors.store_enrolment import FieldChange
from actors.store_memory import MemoryStore
from schemas.codec import decode, encode
from schemas.device import Birth, DeviceCommand, DeviceCommandKind, PcMode
from schemas.enrolment import CredentialState, PcCredential
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings, Outgoing
from schemas.topics import DownLeaf, UpLeaf, pc_topic

CLUB, PC, OTHER = "north", "north-main-0", "north-main-1"
FIELD = f"pc:{PC}"


class Hall:
    """A club with one PC that is on, its store and broker in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = SystemClock()
        self.broker = MemoryBroker(lambda: self.clock.mono_ms() / 1_000)
        self.heard = Listener()
        self.pc = MemoryLink(LinkSettings("memory", 1, "pc"), self.heard, broker=self.broker)
        for pc_id in (PC, OTHER):
            self.pc.subscribe(pc_topic(CLUB, pc_id, DownLeaf.CMD))
        self.births = 0

    async def introduce(self, pc_id: str = PC) -> None:
        self.births += 1
        birth = Birth(
            boot_id="b1", connection_epoch=self.births, agent_version="1", mode=PcMode.LOCKED
        )
        self.pc.publish(Outgoing(pc_topic(CLUB, pc_id, UpLeaf.BIRTH), encode(birth)))
        assert await self.pc.flush(2)

    async def write(self, **changes: object) -> None:
        """Put the PC's credential into the book, as staff or the API would."""
        known = PcCredential(
            pc_id=PC,
            request_id="r1",
            secret_digest="0" * 64,
            broker_hash="hash",
            enrolled_at_ms=1,
            changed_at_ms=self.clock.wall_ms(),
        ).model_copy(update=changes)
        before = (await self.store.enrolment(CHAIN, CLUB)).get(FIELD)
        change = FieldChange(before, known.model_dump_json(exclude_none=True).encode())
        assert await self.store.change_enrolment(CHAIN, CLUB, {FIELD: change})

    @property
    def orders(self) -> list[str]:
        """PCs that were told to renew, in order."""
        told = []
        for topic, payload, *_ in self.heard.messages:
            command = decode(DownLeaf.CMD, payload)
            assert isinstance(command, DeviceCommand)
            assert command.kind is DeviceCommandKind.RENEW
            told.append(topic.split("/")[4])
        return told


@asynccontextmanager
async def at_work(hall: Hall) -> AsyncIterator[None]:
    """A host that owns the club and hears its PC."""

    def connect(host: Host) -> MemoryLink:
        return MemoryLink(LinkSettings("memory", 1, "host"), host, broker=hall.broker)

    async with local_host(hall.store, hall.clock, connect) as gateway:
        registry = gateway.host.telemetry.registry

        async def heard() -> bool:
            await hall.introduce()
            await hall.introduce(OTHER)
            labels = {"leaf": "birth", "result": "ok"}
            return bool(registry.get_sample_value("clubctl_device_messages_total", labels))

        while not await heard():  # noqa: ASYNC110 - the host offers nothing to wait for
            await asyncio.sleep(0.05)
        yield


@pytest.fixture
async def hall() -> Hall:
    hall = Hall()
    await seed(hall.store)
    hall.broker.start()
    hall.pc.start()
    await eventually(lambda: hall.pc.connected)
    return hall


async def test_the_pc_is_told_when_staff_want_it_and_no_other_is(hall: Hall) -> None:
    await hall.write()
    async with at_work(hall):
        await asyncio.sleep(0.3)
        assert hall.orders == []
        await hall.write(renew_wanted=True)
        await eventually(lambda: hall.orders == [PC])


async def test_a_wish_from_before_the_host_came_is_told_by_it(hall: Hall) -> None:
    await hall.write(renew_wanted=True)
    async with at_work(hall):
        await eventually(lambda: PC in hall.orders)
        assert set(hall.orders) == {PC}


async def test_a_pc_that_may_have_missed_it_is_told_again_until_it_has_drawn(hall: Hall) -> None:
    async with at_work(hall):
        await hall.write(renew_wanted=True)
        await eventually(lambda: len(hall.orders) == 1)
        await hall.introduce()
        await eventually(lambda: len(hall.orders) == 2)
        await hall.write(renewed_at_ms=hall.clock.wall_ms())
        await asyncio.sleep(0.3)
        await hall.introduce()
        await asyncio.sleep(0.3)
        assert len(hall.orders) == 2
        await hall.write(renew_wanted=True)
        await eventually(lambda: len(hall.orders) == 3)


@pytest.mark.parametrize("changes", [{"state": CredentialState.REVOKED}, {"changed_at_ms": 1}])
async def test_nobody_is_told_who_could_not_draw_one(
    hall: Hall, changes: dict[str, object]
) -> None:
    async with at_work(hall):
        await hall.write(renew_wanted=True, **changes)
        await asyncio.sleep(0.5)
        assert hall.orders == []
        await hall.write(renew_wanted=True)
        await eventually(lambda: hall.orders == [PC])
