"""What a silent PC did in a session's time: judged from both sides, given back once, proven."""

import json

import orjson
import pytest
from clubs_under_test import CHAIN, wallet_of
from outages_under_test import (
    MINUTE_MS,
    PC,
    books_agree,
    credited,
    facts,
    opened,
    pass_time,
    play,
    session,
    told,
)
from stored_shapes import GOLDEN, missing

from actors.ended import EndedSession
from actors.evidence import EVIDENCE_WAIT_MS
from actors.pc import PcState
from actors.shard_contents import decode_shard
from actors.store import StoredEntity
from actors.store_memory import MemoryStore
from actors.turn import LinkEvent, LinkInput
from schemas.commands import EndSession, RefundOrder, ReplyStatus, ResolveOutage
from schemas.device import UsageEnd


@pytest.fixture
async def store() -> MemoryStore:
    return MemoryStore()


async def test_a_frozen_pc_gets_its_twelve_minutes_back_to_the_minor_unit(
    store: MemoryStore,
) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 180, pc)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 120, pc)
    state = await session(store)
    (outage,) = state.outages
    assert facts(outage) == ("FROZEN", "SILENT", "FROZEN", "CREDITED")
    assert outage.until_ms - outage.from_ms == 12 * MINUTE_MS
    assert (outage.credited_ms, outage.amount_minor) == (12 * MINUTE_MS, 24_00)
    back = await credited(shard)
    assert len(back) == 12
    assert set(back.values()) == {2_00}
    assert all(name.startswith("credit/s1/0/") and name.endswith("/0") for name in back)
    (event,) = await told(shard, "session_credited")
    assert (event["minutes"], event["amount_minor"], event["verdict"]) == (12, 24_00, "FROZEN")
    reply = await shard.command(EndSession(session_id="s1"))
    assert reply.status is ReplyStatus.OK
    billed_minutes = state.segments[0].steps - 12
    assert await wallet_of(store, "ann") == (500_00 - 2_00 * billed_minutes, 0)
    await books_agree(store)


async def test_who_pulls_the_cable_and_plays_on_pays(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 12 * 60, None)
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("LINK_ONLY", "SILENT", "SERVED", "CHARGED")
    assert await credited(shard) == {}


async def test_a_pc_that_lost_power_was_off(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    pc.stop(UsageEnd.INTERRUPTED)
    await pass_time(shard, 5 * 60, None)
    pc.boot("b2")
    pc.serve()
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("PC_OFF", "SILENT", "OFF", "CREDITED")
    assert outage.credited_ms in (4 * MINUTE_MS, 5 * MINUTE_MS)
    await books_agree(store)


@pytest.mark.parametrize("names_its_boots", [True, False])
async def test_who_kills_the_agent_pays(names_its_boots: bool, store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    pc.stop(UsageEnd.INTERRUPTED)
    await pass_time(shard, 10 * 60, None)
    if not names_its_boots:
        pc.boot_id = "another"
    pc.serve()
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("LINK_ONLY", "SILENT", "AGENT_DOWN", "CHARGED")


async def test_a_journal_that_was_deleted_proves_nothing(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    await pass_time(shard, 10 * 60, None)
    pc.boot("b2")
    pc.serve()
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("LINK_ONLY", "SILENT", "UNKNOWN", "CHARGED")


async def test_two_boots_out_of_sight_prove_nothing_of_the_time_between(
    store: MemoryStore,
) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    pc.stop(UsageEnd.INTERRUPTED)
    await pass_time(shard, 5 * 60, None)
    pc.boot("b2")
    pc.serve()
    await pass_time(shard, 5 * 60, None)
    pc.stop(UsageEnd.INTERRUPTED)
    pc.boot("b3")
    pc.serve()
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("LINK_ONLY", "SILENT", "UNKNOWN", "CHARGED")


async def test_minutes_locked_because_nobody_renewed_are_our_fault(store: MemoryStore) -> None:
    shard = await opened(store, offline_max_minutes=5)
    pc = await play(shard)
    await shard.turn(LinkInput(LinkEvent.LOST))
    await pass_time(shard, 5 * 60, None, ())
    pc.stop(UsageEnd.LEASE_ENDED)
    await pass_time(shard, 7 * 60, None, ())
    await shard.turn(LinkInput(LinkEvent.REGAINED))
    pc.serve()
    await pass_time(shard, 60, pc)
    first, second = (await session(store)).outages
    assert facts(first) == ("LINK_ONLY", "BLIND", "SERVED", "CHARGED")
    assert facts(second) == ("OUR_FAULT", "BLIND", "LOCKED", "CREDITED")
    assert (second.credited_ms, second.amount_minor) == (7 * MINUTE_MS, 14_00)
    await books_agree(store)


async def test_the_verdict_survives_its_hosts(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 3 * 60, None)
    await shard.take("h1")
    await pass_time(shard, 6 * 60, None)
    await shard.take("h2")
    await pass_time(shard, 3 * 60, None)
    pc.serve()
    await pass_time(shard, 60, pc)
    assert sum(one.credited_ms for one in (await session(store)).outages) == 12 * MINUTE_MS
    assert sum((await credited(shard)).values()) == 24_00
    await books_agree(store)


async def test_a_host_that_was_away_says_so(store: MemoryStore) -> None:
    shard = await opened(store, offline_max_minutes=60)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    shard.clock.advance(20 * MINUTE_MS)
    await shard.take("h1")
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("LINK_ONLY", "BLIND", "SERVED", "CHARGED")


async def test_a_hiccup_is_no_outage(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 40, None)
    pc.serve()
    await pass_time(shard, 120, pc)
    assert (await session(store)).outages == ()
    stored = [one for one in await store.all_entities(CHAIN) if one.key == f"pc:{PC}"]
    assert orjson.loads(stored[0].blob)["evidence"] == {"silences": [], "stretches": []}


async def test_a_club_that_goes_on_billing_keeps_no_evidence(store: MemoryStore) -> None:
    shard = await opened(store, "CONTINUE")
    pc = await play(shard)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 120, pc)
    assert (await session(store)).outages == ()
    assert await credited(shard) == {}


async def test_a_session_that_ends_on_a_dead_pc_is_credited_when_it_is_back(
    store: MemoryStore,
) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    pc.stop(UsageEnd.INTERRUPTED)
    await pass_time(shard, 10 * 60, None)
    await shard.command(EndSession(session_id="s1"))
    ended = await session(store)
    before = await wallet_of(store, "ann")
    await pass_time(shard, 10 * 60, None)
    await shard.take("h1")
    await pass_time(shard, 10 * 60, None)
    assert await credited(shard) == {}
    pc.boot("b2")
    await pass_time(shard, 60, pc)
    state = await session(store)
    (outage,) = state.outages
    assert facts(outage) == ("PC_OFF", "SILENT", "OFF", "CREDITED")
    assert state.amount_minor == ended.amount_minor - outage.amount_minor
    assert await wallet_of(store, "ann") == (before[0] + outage.amount_minor, 0)
    stored = await store.session(CHAIN, "s1")
    assert stored is not None
    receipt = orjson.loads(stored.blob)["receipt"]
    assert receipt["outages"][0]["verdict"] == "PC_OFF"
    assert receipt["total_minor"] == state.amount_minor
    await books_agree(store)
    assert [e for e in await store.all_entities(CHAIN) if e.key.startswith("ended:")] == []


@pytest.mark.parametrize("key", ["ended:s1", "session:s1"])
async def test_what_a_pc_tells_of_a_session_that_cannot_be_read_waits_for_it(
    store: MemoryStore, key: str
) -> None:
    """The PC has forgotten its journal by then: it was acknowledged."""
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 10 * 60, None)
    if key.startswith("ended:"):
        await shard.command(EndSession(session_id="s1"))
    stored = store._server.chain(CHAIN).shards[shard.runtime.ownership.shard.number]
    sound = stored[key]
    stored[key] = StoredEntity(key, sound.version, b'{"v":99}')
    await shard.take("h1")
    pc.serve()
    await pass_time(shard, 120, pc)
    assert shard.runtime.quarantine.parked.keys() == {key}
    stored[key] = sound
    await shard.take("h2")
    await pass_time(shard, 60, pc)
    found = [facts(outage) for outage in (await session(store)).outages]
    assert found[0] == ("FROZEN", "SILENT", "FROZEN", "CREDITED")
    await books_agree(store)


async def test_after_a_refund_by_hand_nothing_comes_back_by_itself(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    pc.stop(UsageEnd.INTERRUPTED)
    await pass_time(shard, 10 * 60, None)
    await shard.command(EndSession(session_id="s1"))
    cost_minor = (await session(store)).amount_minor
    reply = await shard.command(RefundOrder(order_id="s1", amount_minor=cost_minor))
    assert reply.status is ReplyStatus.OK
    after = await wallet_of(store, "ann")
    await shard.take("h1")
    pc.boot("b2")
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("PC_OFF", "SILENT", "OFF", "PROPOSED")
    reply = await shard.command(ResolveOutage(session_id="s1", number=0, approve=True))
    assert (reply.status, reply.code) == (ReplyStatus.REJECTED, "refund-too-large")
    assert await wallet_of(store, "ann") == after
    await books_agree(store)


@pytest.mark.parametrize("refund_first", [True, False])
async def test_a_refund_and_an_approval_in_one_turn_give_no_minute_back_twice(
    store: MemoryStore, *, refund_first: bool
) -> None:
    shard = await opened(store, "PROPOSE")
    pc = await play(shard)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 60, pc)
    await shard.command(EndSession(session_id="s1"))
    cost_minor = (await session(store)).amount_minor
    before = await wallet_of(store, "ann")
    both = [
        shard.asked(RefundOrder(order_id="s1", amount_minor=cost_minor)),
        shard.asked(ResolveOutage(session_id="s1", number=0, approve=True)),
    ]
    await shard.turn(*(both if refund_first else reversed(both)))
    back_minor = cost_minor if refund_first else 24_00
    assert await wallet_of(store, "ann") == (before[0] + back_minor, 0)
    await books_agree(store)


async def test_a_pc_that_never_comes_back_is_left_to_staff(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    await pass_time(shard, 60, pc)
    await pass_time(shard, 10 * 60, None)
    await shard.command(EndSession(session_id="s1"))
    shard.clock.advance(EVIDENCE_WAIT_MS)
    await pass_time(shard, 20, None)
    (outage,) = (await session(store)).outages
    assert facts(outage) == ("PC_OFF", "SILENT", "MISSING", "PROPOSED")
    assert await credited(shard) == {}
    await books_agree(store)


async def test_a_block_goes_on_longer_for_what_was_not_served(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard, tariff_id="block")
    before = await session(store)
    assert before.coverage is not None
    assert before.coverage.until_ms is not None
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 60, pc)
    state = await session(store)
    assert state.coverage is not None
    assert state.coverage.until_ms == before.coverage.until_ms + 12 * MINUTE_MS
    grant = shard.documents[PC].lease
    assert grant is not None
    assert grant.hard_stop_at_ms == state.coverage.until_ms
    await books_agree(store)


async def test_more_than_a_club_gives_by_itself_waits_for_staff(store: MemoryStore) -> None:
    shard = await opened(store, credit_max_minutes=10)
    pc = await play(shard)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 60, pc)
    (outage,) = (await session(store)).outages
    assert facts(outage)[-1] == "PROPOSED"
    assert outage.amount_minor == 24_00
    assert await credited(shard) == {}
    (event,) = await told(shard, "credit_proposed")
    assert event["minutes"] == 12


async def test_what_was_settled_is_not_settled_again(store: MemoryStore) -> None:
    shard = await opened(store)
    pc = await play(shard)
    for _ in range(3):
        pc.stop(UsageEnd.FROZEN)
        await pass_time(shard, 5 * 60, None)
        pc.serve()
        await pass_time(shard, 5 * 60, pc)
        await shard.take()
    state = await session(store)
    assert [one.number for one in state.outages] == [0, 1, 2]
    assert sum(one.credited_ms for one in state.outages) == 15 * MINUTE_MS
    await books_agree(store)


@pytest.mark.parametrize("name", ["pc_silent.v1.json", "ended.v1.json", "ended.v2.json"])
def test_evidence_as_older_releases_have_stored_it_is_read(name: str) -> None:
    raw = (GOLDEN / name).read_bytes()
    kind = "pc" if name.startswith("pc") else "ended"
    state = decode_shard([StoredEntity(f"{kind}:x", 1, raw)])[f"{kind}:x"].state
    if isinstance(state, PcState):
        (silence,) = state.evidence.silences
        assert (silence.session_id, silence.fact, silence.until_ms) == ("s1", "SILENT", None)
        assert silence.before is not None
        assert silence.before.boot_id == "b1"
    else:
        assert isinstance(state, EndedSession)
        assert state.session_id == "s1"
        assert state.wait_until_ms is not None
    assert missing(json.loads(raw), json.loads(orjson.dumps(state))) == []


@pytest.mark.parametrize("version", [1, 2])
def test_a_kept_session_is_read_with_its_bill(version: int) -> None:
    raw = (GOLDEN / f"ended_billed.v{version}.json").read_bytes()
    state = decode_shard([StoredEntity("ended:x", 1, raw)])["ended:x"].state
    assert isinstance(state, EndedSession)
    assert state.bill is not None
    assert state.bill.refunded_minor == state.refunded_minor == 5_00
    assert missing(json.loads(raw), json.loads(orjson.dumps(state))) == []
