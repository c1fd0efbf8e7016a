"""Lists of a hall that plays: what all pages read together, and what each page is owed."""

import asyncio

import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.store import StoredEntity, StoreUnavailableError
from actors.store_memory import MemoryStore
from controller.archive.listing import SessionFilter
from controller.lists.cursors import page_asked
from controller.lists.running import RunningSessions
from controller.lists.session_list import SessionList
from schemas.commands import CreateSession, EndSession, ReplyStatus

WANTED = SessionFilter(statuses=frozenset({"Wait", "Active", "Ended"}))


class SlowStore(MemoryStore):
    """Counts how often a club is read, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False

    async def sessions_of_club(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        self.reads += 1
        found = await super().sessions_of_club(chain_id, club_id)
        await self.open.wait()
        if self.is_away:
            raise StoreUnavailableError("away")
        return found


@pytest.fixture
async def store() -> SlowStore:
    slow = SlowStore()
    await seed(slow, pcs_per_zone=4)
    return slow


async def starts(shard: ShardUnderTest, session_id: str, pc_id: str) -> None:
    guest = CreateSession(
        session_id=session_id,
        pc_id=pc_id,
        tariff_id="standard",
        guest_label="Max",
        paid_minor=50_00,
        start=True,
    )
    assert (await shard.command(guest)).status is ReplyStatus.OK


async def ids(listing: SessionList, **changes: object) -> list[str]:
    ask = page_asked("startAt", None, 50, query="")
    rows, _ = await listing.page(CHAIN, ["north"], WANTED, ask=ask)
    return [one.row_id for one in rows]


async def test_pages_asked_for_together_are_read_together(store: SlowStore) -> None:
    shard = await ShardUnderTest(store).take()
    await starts(shard, "s1", "north-main-0")
    listing = SessionList(store, None, shard.clock, running=RunningSessions(store))
    store.reads = 0
    store.open.clear()
    pages = [asyncio.create_task(ids(listing)) for _ in range(3)]
    await asyncio.sleep(0.01)
    pages += [asyncio.create_task(ids(listing)) for _ in range(30)]
    await asyncio.sleep(0.01)
    store.open.set()
    assert await asyncio.gather(*pages) == [["s1"]] * 33
    assert store.reads == 2


async def test_a_page_sees_what_was_started_while_an_older_read_was_under_way(
    store: SlowStore,
) -> None:
    shard = await ShardUnderTest(store).take()
    await starts(shard, "s1", "north-main-0")
    running = RunningSessions(store)
    store.open.clear()
    early = asyncio.create_task(running.of(CHAIN, "north"))
    await asyncio.sleep(0.01)
    await starts(shard, "s2", "north-main-1")
    late = asyncio.create_task(running.of(CHAIN, "north"))
    gone = asyncio.create_task(running.of(CHAIN, "north"))
    await asyncio.sleep(0.01)
    gone.cancel()
    store.open.set()
    assert [state.session_id for _, state in await early] == ["s1"]
    assert [state.session_id for _, state in await late] == ["s1", "s2"]


async def test_only_what_has_changed_is_decoded_again(store: SlowStore) -> None:
    shard = await ShardUnderTest(store).take()
    running = RunningSessions(store)
    for number in range(3):
        await starts(shard, f"s{number}", f"north-main-{number}")
    first = {state.session_id: state for _, state in await running.of(CHAIN, "north")}
    await shard.command(EndSession(session_id="s2"))
    same = {state.session_id: state for _, state in await running.of(CHAIN, "north")}
    assert sorted(same) == ["s0", "s1"]
    assert all(same[one] is first[one] for one in same)
    await shard.wait(minutes=2)
    billed = {state.session_id: state for _, state in await running.of(CHAIN, "north")}
    assert all(billed[one].amount_minor > first[one].amount_minor for one in billed)


async def test_a_store_that_is_away_fails_those_who_waited_and_nobody_else(
    store: SlowStore,
) -> None:
    shard = await ShardUnderTest(store).take()
    await starts(shard, "s1", "north-main-0")
    running = RunningSessions(store)
    store.is_away = True
    waited = [running.of(CHAIN, "north") for _ in range(3)]
    failed = await asyncio.gather(*waited, return_exceptions=True)
    assert [type(one) for one in failed] == [StoreUnavailableError] * 3
    store.is_away = False
    assert len(await running.of(CHAIN, "north")) == 1


async def test_a_store_that_went_back_is_believed(store: SlowStore) -> None:
    shard = await ShardUnderTest(store).take()
    await starts(shard, "s1", "north-main-0")
    running = RunningSessions(store)
    ((stored, state),) = await running.of(CHAIN, "north")
    other = stored.blob.replace(b"Max", b"Mia")
    kept = store._server.chain(CHAIN).shards
    for shard_entities in kept.values():
        if stored.key in shard_entities:
            shard_entities[stored.key] = StoredEntity(stored.key, stored.version, other)
    ((_, now),) = await running.of(CHAIN, "north")
    assert (state.guest_label, now.guest_label) == ("Max", "Mia")
