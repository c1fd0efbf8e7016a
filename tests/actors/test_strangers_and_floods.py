"""Names nobody knows, PCs that never stop talking, and PCs that are two."""

import asyncio
import random

import pytest
from brokers_under_test import eventually
from clubs_under_test import CHAIN
from test_host_inputs import BEAT, HEARTBEAT_TOPIC, House, opened

from actors.clock import ManualClock, SystemClock
from actors.flood_gate import BURST, MESSAGES_PER_S, FloodGate
from actors.strangers import STRANGERS_MAX, STRANGERS_SNAPSHOT, Strangers, strangers_in
from controller.broker.clones import CloneGuard
from controller.enrolment.office import CodeWish, EnrolmentOffice, IssuedCode, Place
from schemas.codec import encode
from schemas.device import Birth, PcMode, Serving
from schemas.enrolment import CredentialState, EnrolmentRequest
from schemas.topics import UpLeaf, pc_topic

PC = ("north", "north-main-0")


async def test_a_name_nobody_knows_is_dropped_and_listed() -> None:
    async with opened() as house:
        for _ in range(3):
            await house.say(pc_topic("north", "intruder", UpLeaf.HEARTBEAT), BEAT)
        await house.say(pc_topic("north", "south-main-0", UpLeaf.HEARTBEAT), BEAT)
        await eventually(lambda: house.count("hb", "unknown-pc") == 4)

        async def listed() -> dict[str, int]:
            snapshots = await house.store.snapshots(STRANGERS_SNAPSHOT)
            return {one.pc_id: one.messages for one in strangers_in(snapshots.values(), "north")}

        while await listed() != {"intruder": 3, "south-main-0": 1}:  # noqa: ASYNC110 - a read
            await asyncio.sleep(0.05)
        snapshots = await house.store.snapshots(STRANGERS_SNAPSHOT)
        assert strangers_in(snapshots.values(), "south") == ()


def test_only_so_many_strangers_are_remembered() -> None:
    heard = Strangers()
    for number in range(STRANGERS_MAX + 10):
        heard.heard("north", f"s{number}", number)
    names = {one.pc_id for one in strangers_in([heard.snapshot()], "north")}
    assert len(names) == STRANGERS_MAX
    assert "s9" not in names
    assert f"s{STRANGERS_MAX + 9}" in names


def test_a_pc_that_never_stops_talking_is_heard_so_often_and_no_more() -> None:
    gate = FloodGate()
    assert sum(gate.admits(PC, 0) for _ in range(BURST * 3)) == BURST
    assert sum(gate.admits(PC, 1_000) for _ in range(BURST)) == MESSAGES_PER_S
    assert gate.admits(("north", "another"), 1_000)
    # A clock that steps back earns nothing and breaks nothing.
    assert not gate.admits(PC, 500)
    assert gate.admits(PC, 60_000)


async def test_a_flood_of_one_pc_leaves_the_others_heard() -> None:
    async with opened() as house:
        heard = house.count("hb", "ok")
        for _ in range(BURST + 200):
            await house.say(HEARTBEAT_TOPIC, BEAT)
        await eventually(lambda: house.count("hb", "flooding") > 0)
        assert house.count("hb", "ok") - heard < BURST + 200
        before = house.count("hb", "ok")
        await house.say(pc_topic("north", "north-main-1", UpLeaf.HEARTBEAT), BEAT)
        await eventually(lambda: house.count("hb", "ok") == before + 1)


def birth(boot_id: str, epoch: int) -> bytes:
    return encode(
        Birth(
            boot_id=boot_id,
            connection_epoch=epoch,
            agent_version="1",
            mode=PcMode.LOCKED,
            serving=Serving(boot_id=boot_id, boot_ms=epoch * 1_000),
        )
    )


async def _enrolled(house: House, at_ms: int, secret: str = "s") -> EnrolmentOffice:
    office = EnrolmentOffice(house.store, ManualClock(at_ms), random.Random(1).randbytes)
    issued = await office.issue(Place(CHAIN, "north", "test"), CodeWish("c", pc_id=PC[1]))
    assert isinstance(issued, IssuedCode)
    await office.admit(EnrolmentRequest(code=issued.text, secret=secret * 43), "")
    return office


@pytest.mark.parametrize(
    ("boots", "state"),
    [
        (("a", "b", "a", "b"), CredentialState.QUARANTINED),
        (("a", "b", "c", "d"), CredentialState.ACTIVE),
    ],
)
async def test_two_machines_under_one_name_are_both_shut_out(
    boots: tuple[str, ...], state: CredentialState
) -> None:
    async with opened() as house:
        now_ms = SystemClock().wall_ms()
        office = await _enrolled(house, now_ms - 1_000)
        for epoch, boot_id in enumerate(boots, start=10):
            await house.say(pc_topic(*PC, UpLeaf.BIRTH), birth(boot_id, epoch))
            # Words of one PC that wait for the same turn become one; boots are seconds apart.
            await asyncio.sleep(0.2)
        await eventually(lambda: house.count("birth", "ok") == len(boots))
        guard = CloneGuard(house.store, office)
        place = Place(CHAIN, "north", "test")

        async def shown() -> CredentialState:
            await guard.look()
            return (await office.book(place)).credentials[PC[1]].state

        if state is CredentialState.ACTIVE:
            await asyncio.sleep(0.5)
            assert await shown() is state
            return
        async with asyncio.timeout(10):
            while await shown() is not state:  # noqa: ASYNC110 - it may be anything
                await asyncio.sleep(0.05)
        # What happened before a PC was enrolled anew is not held against it.
        await _enrolled(house, now_ms + 60_000, "t")
        assert await CloneGuard(house.store, office).look() == 0
        assert await shown() is CredentialState.ACTIVE
