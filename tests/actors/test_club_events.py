"""What staff is told of PCs and of a club's link: once each, in the commit that makes it true."""

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest
from clubs_under_test import CHAIN
from shard_under_test import ShardUnderTest, opened_club

from actors.presence import Signal
from actors.store import ChainStream
from actors.turn import LinkEvent, LinkInput, PcInput
from schemas.commands import (
    CreateSession,
    EndSession,
    ReplyStatus,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import UsageEnd, UsageRecord
from schemas.events import ClubEventKind, EventMessage, published
from schemas.journal_events import JournalEvent, JournalEventKind

PC = "north-main-0"
OTHERS = ("north-main-1", "north-vip-0", "north-vip-1")
ALL = (PC, *OTHERS)


@pytest.fixture
async def shard() -> ShardUnderTest:
    return await opened_club()


async def play(shard: ShardUnderTest, session_id: str = "s1") -> None:
    await shard.command(TopUpWallet(player_id="ann", amount_minor=500_00))
    reply = await shard.command(
        CreateSession(
            session_id=session_id, pc_id=PC, tariff_id="standard", player_id="ann", start=True
        )
    )
    assert reply.status is ReplyStatus.OK
    await shard.beat()


async def silence(shard: ShardUnderTest, seconds: int, heard: Sequence[str] = OTHERS) -> None:
    """Time passes while only these PCs beat."""
    for _ in range(seconds // 5):
        shard.clock.advance(5_000)
        await shard.turn(*[shard.heard(pc_id) for pc_id in heard])


async def told(shard: ShardUnderTest, *sources: str) -> list[EventMessage]:
    """Every event of PCs and links, checked against its schema; top-ups are told elsewhere."""
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX)
    messages = [
        EventMessage.model_validate(published(orjson.loads(entry.payload))) for entry in entries
    ]
    wanted = sources or ("pc:", "club:")
    return [
        one
        for one in messages
        if one.source.startswith(wanted) and one.type != ClubEventKind.WALLET_TOPPED_UP
    ]


def kinds(messages: Sequence[EventMessage]) -> list[tuple[str, str]]:
    return [(one.source, one.type) for one in messages]


async def test_a_silent_pc_with_a_session_is_told_once_and_so_is_its_return(
    shard: ShardUnderTest,
) -> None:
    await play(shard)
    await silence(shard, 90)
    assert kinds(await told(shard)) == [(f"pc:{PC}", "pc_not_responding")]
    await shard.beat()
    await silence(shard, 20, ALL)
    first, second = await told(shard)
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.type == "pc_recovered"
    assert second.model_dump(by_alias=True)["data"] == {
        "pcId": PC,
        "sessionId": "s1",
        "notRespondingSince": first.timestamp,
    }


async def test_a_silent_pc_nobody_plays_on_is_no_alert(shard: ShardUnderTest) -> None:
    await silence(shard, 90)
    assert await told(shard) == []
    # Somebody sits down in front of it all the same, and it wakes up.
    await play(shard)
    assert [kind for _, kind in kinds(await told(shard))] == ["pc_not_responding", "pc_recovered"]


async def test_a_flapping_pc_is_muted_until_ten_quiet_minutes_have_passed(
    shard: ShardUnderTest,
) -> None:
    await play(shard)
    for _ in range(3):
        await silence(shard, 60)
        await silence(shard, 10, ALL)
    assert [kind for _, kind in kinds(await told(shard))] == ["pc_not_responding", "pc_recovered"]
    await silence(shard, 9 * 60)
    assert len(await told(shard)) == 2
    await silence(shard, 3 * 60)
    assert [kind for _, kind in kinds(await told(shard))][2:] == ["pc_not_responding"]


async def test_an_alert_outlives_its_owner(shard: ShardUnderTest) -> None:
    await play(shard)
    await silence(shard, 60)
    await shard.take("h1")
    await silence(shard, 120)
    assert kinds(await told(shard)) == [(f"pc:{PC}", "pc_not_responding")]
    await shard.beat()
    assert [one.sequence for one in await told(shard)] == [1, 2]


async def test_a_dead_pc_left_behind_is_exposed_until_it_obeys(shard: ShardUnderTest) -> None:
    await play(shard)
    await silence(shard, 60)
    await shard.command(SwitchSessionDevice(session_id="s1", pc_id="north-main-1"))
    await silence(shard, 20)
    exposure = (await told(shard))[-1]
    assert (exposure.source, exposure.type) == (f"pc:{PC}", "seat_exposed")
    assert exposure.model_dump(by_alias=True)["data"]["sessionId"] == "s1"
    await shard.beat()
    assert [kind for _, kind in kinds(await told(shard))][-2:] == ["pc_recovered", "seat_secured"]


async def test_an_answering_pc_is_locked_without_a_word(shard: ShardUnderTest) -> None:
    await play(shard)
    await shard.command(EndSession(session_id="s1"))
    await silence(shard, 20, ALL)
    assert await told(shard) == []


async def test_a_club_that_falls_silent_is_one_incident(shard: ShardUnderTest) -> None:
    await play(shard)
    await silence(shard, 300, ())
    down = await told(shard)
    assert kinds(down) == [("club:north", "club_link_down")]
    assert down[0].model_dump(by_alias=True)["data"]["cause"] == "CLUB"
    await silence(shard, 60, ALL)
    assert kinds(await told(shard)) == [
        ("club:north", "club_link_down"),
        ("club:north", "club_link_restored"),
    ]


async def test_who_stays_away_after_an_incident_is_told_of_alone(shard: ShardUnderTest) -> None:
    await play(shard)
    await silence(shard, 120, ())
    await silence(shard, 30, OTHERS)
    assert [kind for _, kind in kinds(await told(shard))][-1] == "club_link_restored"
    await silence(shard, 30, OTHERS)
    states = await shard.store.hall(CHAIN, "north")
    assert orjson.loads(states[1][PC])["link"] == "NOT_RESPONDING"


async def test_an_incident_outlives_its_owner(shard: ShardUnderTest) -> None:
    await silence(shard, 60, ())
    await shard.take("h1")
    await silence(shard, 90, ())
    await silence(shard, 30, ALL)
    assert [(one.type, one.sequence) for one in await told(shard)] == [
        ("club_link_down", 1),
        ("club_link_restored", 2),
    ]


async def test_a_lost_broker_is_an_incident_after_ten_seconds(shard: ShardUnderTest) -> None:
    await shard.turn(LinkInput(LinkEvent.LOST))
    await silence(shard, 5, ())
    await shard.turn(LinkInput(LinkEvent.REGAINED))
    await silence(shard, 60, ALL)
    assert await told(shard) == []
    await shard.turn(LinkInput(LinkEvent.LOST))
    await silence(shard, 60, ())
    await shard.turn(LinkInput(LinkEvent.REGAINED))
    await silence(shard, 10, ALL)
    down, restored = await told(shard)
    assert down.model_dump(by_alias=True)["data"] == {"cause": "BROKER", "pcs": 4}
    assert restored.model_dump(by_alias=True)["data"]["downSince"] == down.timestamp


def record(seq: int, boot_id: str = "b1") -> UsageRecord:
    return UsageRecord(
        boot_id=boot_id,
        seq=seq,
        session_id="s1",
        lease_id="s1",
        started_boot_ms=1_000,
        ended_boot_ms=61_000,
        started_at_ms=1_800_000_000_000,
        ended_at_ms=1_800_000_060_000,
        end=UsageEnd.DOCUMENT,
    )


async def use(shard: ShardUnderTest, *records: UsageRecord) -> None:
    heard = PcInput("north", PC, Signal.HEARD, shard.now.mono_ms, usage=records)
    await shard.turn(heard)


async def test_usage_is_durable_before_it_is_acknowledged_and_told_once(
    shard: ShardUnderTest,
) -> None:
    await use(shard, record(1), record(2))
    await use(shard, record(1), record(2), record(3))
    await use(shard, record(3))
    usage = [one.model_dump(by_alias=True)["data"] for one in await told(shard)]
    assert [one["recordSequence"] for one in usage] == [1, 2, 3]
    assert usage[0]["durationMs"] == 60_000
    assert [(ack.boot_id, ack.seq) for ack in shard.acks] == [("b1", 2), ("b1", 3), ("b1", 3)]


def journal_event(seq: int, kind: JournalEventKind) -> JournalEvent:
    return JournalEvent(
        boot_id="b1",
        seq=seq,
        kind=kind,
        started_boot_ms=1_000,
        ended_boot_ms=31_000,
        started_at_ms=1_800_000_000_000,
        ended_at_ms=1_800_000_030_000,
        session_id="s1",
        detail="why",
    )


async def test_what_else_a_journal_tells_is_numbered_and_acknowledged_with_its_usage(
    shard: ShardUnderTest,
) -> None:
    events = (journal_event(1, JournalEventKind.BOOT), journal_event(3, JournalEventKind.FREEZE))
    now_ms = shard.now.mono_ms
    batch = PcInput("north", PC, Signal.HEARD, now_ms, usage=(record(2),), journal=events)
    await shard.turn(batch)
    await shard.turn(replace(batch, usage=()))

    messages = [one.model_dump(by_alias=True) for one in await told(shard)]
    assert [(one["type"], one["data"]["recordSequence"]) for one in messages] == [
        ("pc_journal", 1),
        ("pc_usage", 2),
        ("pc_journal", 3),
    ]
    freeze = messages[2]["data"]
    assert (freeze["what"], freeze["durationMs"], freeze["detail"]) == ("FREEZE", 30_000, "why")
    assert [(ack.boot_id, ack.seq) for ack in shard.acks] == [("b1", 3), ("b1", 3)]


async def test_usage_of_an_earlier_boot_is_told_once_after_a_takeover(
    shard: ShardUnderTest,
) -> None:
    await use(shard, record(7, "b0"), record(8, "b0"))
    await shard.take("h1")
    await use(shard, record(8, "b0"), record(9, "b1"))
    assert [one.sequence for one in await told(shard)] == [1, 2, 3]
    assert (shard.acks[-1].boot_id, shard.acks[-1].seq) == ("b1", 9)
