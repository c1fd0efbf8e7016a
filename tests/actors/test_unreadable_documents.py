"""A document this release cannot read costs what depends on it, and is left as it is."""

from collections.abc import Callable

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from loop_under_test import LoopUnderTest, running
from shard_under_test import ShardUnderTest

from actors.quarantine import PARKED_RETRY_MS
from actors.store import StoredEntity
from actors.store_memory import MemoryStore
from billing_core.outage import OutagePolicy
from billing_core.tariff import PriceRule, Tariff, TariffType
from controller.lists.running import RunningSessions
from schemas.commands import (
    Command,
    CommandPc,
    CreateOrder,
    CreateSession,
    EndSession,
    HoldPc,
    RefundOrder,
    ReplyStatus,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import PcMode

HOURS = Tariff(
    id="hours",
    version=1,
    name="Hours",
    currency="EUR",
    type=TariffType.HOURS,
    hours=10,
    price_minor=100_00,
    prices=(PriceRule("any"),),
)
Spoil = Callable[[bytes], bytes]


def younger(blob: bytes) -> bytes:
    """As a release would write it that has one more field."""
    document = orjson.loads(blob)
    return orjson.dumps({**document, "only_the_next_release_knows": 7})


def newer(blob: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(blob), "v": 99})


def damaged(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def another_thing(_blob: bytes) -> bytes:
    return b"[1]"


def rewrite(stored: dict[str, StoredEntity], key: str, spoil: Spoil) -> StoredEntity:
    """Somebody else's write: the version rises."""
    before = stored[key]
    stored[key] = StoredEntity(key, before.version + 1, spoil(before.blob))
    return stored[key]


def sits(number: int, name: str, **fields: object) -> CreateSession:
    asked = {"session_id": f"s{number}", "pc_id": f"north-main-{number}", "player_id": name}
    return CreateSession.model_validate({**asked, "tariff_id": "standard", "start": True, **fields})


def order(order_id: str) -> CreateOrder:
    paid = [{"means": "cash", "amount_minor": 100_00}]
    asked = {"order_id": order_id, "player_id": "ann", "tariff_ids": ("hours",), "payments": paid}
    return CreateOrder.model_validate(asked)


async def opened(store: MemoryStore, rig: LoopUnderTest) -> None:
    """Ann and Bob play beside each other; Ann has bought hours twice."""
    tops = [TopUpWallet(player_id=name, amount_minor=900_00) for name in ("ann", "bob")]
    for reply in await rig.ask(*tops, order("o1"), order("o2"), sits(0, "ann"), sits(1, "bob")):
        assert reply.status is ReplyStatus.OK, reply


async def seeded(**terms: object) -> MemoryStore:
    store = MemoryStore()
    await seed(store, club_terms=terms)
    await store.put(CHAIN, {"tariff:hours:1": orjson.dumps(HOURS)})
    return store


@pytest.mark.parametrize("key", ["bought:ann", "player:ann"])
@pytest.mark.parametrize("spoil", [younger, newer, damaged])
async def test_one_players_document_costs_that_player_only(key: str, spoil: Spoil) -> None:
    store = await seeded()
    documents = store._server.chain(CHAIN).documents
    async with running(store) as rig:
        await opened(store, rig)
        sound = documents[key]
        spoiled = rewrite(documents, key, spoil)
        ended, topped = await rig.ask(
            EndSession(session_id="s0"), TopUpWallet(player_id="bob", amount_minor=1_00)
        )
        assert (ended.status, ended.code) == (ReplyStatus.REJECTED, "quarantined")
        assert topped.status is ReplyStatus.OK
        for minute in range(10):
            await rig.minutes(1)
            assert await rig.steps("s1") == minute + 1
        assert rig.loop.ready
        assert rig.loop.runtime is not None
        assert set(rig.loop.runtime.quarantine.parked) == {"session:s0"}
        assert documents[key] is spoiled
        documents[key] = StoredEntity(key, spoiled.version + 1, sound.blob)
        rig.clock.advance(PARKED_RETRY_MS)
        await rig.rest()
        await rig.minutes(1)
        assert await rig.steps("s0") > 10
        assert rig.loop.runtime.quarantine.parked == {}
        (again,) = await rig.ask(EndSession(session_id="s0"))
        assert again.status is ReplyStatus.OK
        assert all(len(given) == 1 for given in rig.answers.values())


async def test_one_order_costs_the_commands_about_it_only() -> None:
    store = await seeded()
    async with running(store) as rig:
        await opened(store, rig)
        spoiled = rewrite(store._server.chain(CHAIN).documents, "order:o1", younger)
        first, second = await rig.ask(
            RefundOrder.model_validate({"order_id": "o1", "amount_minor": 1_00}),
            RefundOrder.model_validate({"order_id": "o2", "amount_minor": 1_00}),
        )
        assert first.code == "quarantined"
        assert second.status is ReplyStatus.OK
        assert store._server.chain(CHAIN).documents["order:o1"] is spoiled


def about(key: str) -> list[Command]:
    """Commands that cannot be decided without what is stored there."""
    if key == "session:s0":
        return [EndSession(session_id="s0"), sits(7, "ann", pc_id="north-main-0")]
    if key == "pc:north-main-0":
        return [
            HoldPc(pc_id="north-main-0", reason="broken"),
            CommandPc.model_validate({"pc_id": "north-main-0", "asked": "IDENTIFY"}),
            SwitchSessionDevice(session_id="s1", pc_id="north-main-0"),
        ]
    return []


@pytest.mark.parametrize("key", ["session:s0", "pc:north-main-0", "club:north"])
@pytest.mark.parametrize("spoil", [younger, newer, damaged, another_thing])
async def test_one_entity_costs_itself_and_its_pc_when_a_shard_is_taken(
    key: str, spoil: Spoil
) -> None:
    store = await seeded(outages=OutagePolicy.CREDIT.value)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    for name in ("ann", "bob"):
        await rig.command(TopUpWallet(player_id=name, amount_minor=900_00))
    for command in (sits(0, "ann"), sits(1, "bob")):
        assert (await rig.command(command)).status is ReplyStatus.OK
    await rig.wait(minutes=2)
    shard = store._server.chain(CHAIN).shards[rig.runtime.ownership.shard.number]
    shard.setdefault("club:north", StoredEntity("club:north", 1, b'{"club_id":"north","v":1}'))
    lease = rig.documents["north-main-0"].lease
    spoiled = rewrite(shard, key, spoil)
    await rig.take("h2")
    assert set(rig.runtime.quarantine.parked) == {key}
    for command in about(key):
        assert (await rig.command(command)).code == "quarantined", command
    before = (await wallet_of(store, "bob"))[0]
    await rig.wait(minutes=25)
    assert (await wallet_of(store, "bob"))[0] == before - 25 * 2_00
    assert shard[key] is spoiled
    if key != "club:north":
        document = rig.documents["north-main-0"]
        assert (document.mode, document.lease and document.lease.hard_stop_at_ms) == (
            PcMode.UNLOCKED,
            lease and lease.hard_stop_at_ms,
        )
    assert rig.documents["north-main-1"].lease is not None


async def test_a_document_that_is_read_again_goes_on_where_it_stood() -> None:
    store = await seeded()
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    await rig.command(TopUpWallet(player_id="ann", amount_minor=900_00))
    await rig.command(sits(0, "ann"))
    await rig.wait(minutes=2)
    shard = store._server.chain(CHAIN).shards[rig.runtime.ownership.shard.number]
    sound = shard["session:s0"]
    rewrite(shard, "session:s0", newer)
    await rig.take("old")
    await rig.wait(minutes=3)
    shard["session:s0"] = sound
    await rig.take("new")
    await rig.wait(minutes=1)
    assert rig.runtime.quarantine.parked == {}
    assert (await wallet_of(store, "ann"))[0] == 900_00 - 6 * 2_00
    assert (await rig.command(EndSession(session_id="s0"))).status is ReplyStatus.OK


async def test_a_player_who_left_with_an_open_outage_is_not_settled_twice() -> None:
    """The unreadable rest of an ended session keeps its commands from being decided without it."""
    store = await seeded(outages=OutagePolicy.PROPOSE.value)
    rig = await ShardUnderTest(store).take()
    shard = store._server.chain(CHAIN).shards.setdefault(rig.runtime.ownership.shard.number, {})
    shard["ended:s0"] = StoredEntity("ended:s0", 4, b'{"v":9}')
    await rig.take("h2")
    reply = await rig.command(RefundOrder.model_validate({"order_id": "s0", "amount_minor": 1}))
    assert reply.code == "quarantined"


async def test_lists_leave_out_what_cannot_be_read() -> None:
    store = await seeded()
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    for number, name in enumerate(("ann", "bob")):
        await rig.command(TopUpWallet(player_id=name, amount_minor=900_00))
        await rig.command(sits(number, name))
    shard = store._server.chain(CHAIN).shards[rig.runtime.ownership.shard.number]
    rewrite(shard, "session:s0", damaged)
    running_now = await RunningSessions(store).of(CHAIN, "north")
    assert [state.session_id for _, state in running_now] == ["s1"]
