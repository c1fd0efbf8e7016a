"""A store that went back in time: the archive follows it, and keeps what never was apart."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

import pytest
from archived_under_test import numbered, payloads, unit_of
from clubs_under_test import CHAIN as ORBIT
from databases_under_test import Urls
from day_under_test import played_day
from sqlalchemy import create_engine, text
from stores_under_test import CHAIN

from actors.clock import ManualClock
from actors.store import ChainStream, ShardId
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain
from actors.store_memory_server import MemoryServer
from controller.archive import Archive, ArchiveConsumer, open_archive, rewinding, sums
from controller.archive.gaps import gaps
from controller.verify import differences, missing_rows, verify
from controller.webhooks.queue import DeliveryQueue

LEDGER, OUTBOX = ChainStream.LEDGER, ChainStream.OUTBOX
LIVES = 25
ACTIONS = 40
KEPT_MS = 10_000


@dataclass
class Line:
    """A store whose history is numbered, and images of it to go back to."""

    chain_id: str
    server: MemoryServer = field(default_factory=MemoryServer)
    happened: list[tuple[bytes, bytes]] = field(default_factory=list)
    images: list[tuple[MemoryChain, list[tuple[bytes, bytes]]]] = field(default_factory=list)
    line: int = 0

    @property
    def store(self) -> MemoryStore:
        return MemoryStore(self.server)

    async def goes_on(self, count: int) -> None:
        await self.store.put(self.chain_id, {"chain": b"{}"})
        shard = ShardId(self.chain_id, 7)
        ownership = await self.store.acquire(shard, host="h", nonce="n")
        seq = self.server.chain(self.chain_id).leases[shard.number].seq
        first = len(self.happened)
        unit = unit_of(range(first, first + count), self.line)
        await self.store.commit(ownership, seq + 1, [unit])
        self.happened += (numbered(n, self.line) for n in range(first, first + count))

    def keeps_an_image(self) -> None:
        self.images.append((deepcopy(self.server.chain(self.chain_id)), list(self.happened)))

    def goes_back(self, number: int) -> None:
        image, happened = self.images[number]
        self.server._chains[self.chain_id] = deepcopy(image)
        self.happened, self.line = list(happened), self.line + 1

    async def archived(self, archive: Archive, *, kept_ms: int) -> None:
        consumer = ArchiveConsumer(self.store, archive, ManualClock(), stream_kept_ms=kept_ms)
        await consumer.step()


async def wrong(line: Line, archive: Archive) -> list[str]:
    """What the archive has that is not the store's one past, or lacks."""
    chain_id = line.chain_id
    rows = [
        *missing_rows([t for t, _ in line.happened], await archive.transactions(chain_id)),
        *missing_rows([e for _, e in line.happened], await archive.events(chain_id)),
        *await differences(line.store, archive, chain_id),
    ]
    found = [f"{row.check} {row.subject}" for row in rows]
    found += map(str, await archive.look(sums.wrong_totals, chain_id))
    balances = await line.store.all_balances(chain_id)
    held = await archive.look(sums.totals, chain_id, sorted(balances))
    if held.sums != balances:
        found.append(f"{held.sums} != {balances}")
    odd = await archive.look(sums.oddities, chain_id)
    return [*found, *map(str, (odd,) if odd.conflicts or odd.gaps else ())]


@pytest.mark.parametrize("kept_ms", [0, 5, KEPT_MS])
async def test_whatever_happens_the_archive_ends_with_the_stores_own_past(
    archive: Archive, kept_ms: int
) -> None:
    """Random lives of going on, archiving, trimming and going back. Ids are counted from the
    start again in a store that went back, so other entries come under ids that are known."""
    rewinds = 0
    for seed in range(LIVES):
        luck, line = Random(seed), Line(f"life-{seed}")
        for _ in range(ACTIONS):
            match luck.choice(("on", "on", "archive", "archive", "image", "back")):
                case "on":
                    await line.goes_on(luck.randint(1, 6))
                case "archive":
                    await line.archived(archive, kept_ms=kept_ms)
                case "image":
                    line.keeps_an_image()
                case "back" if line.images and luck.random() < 0.4:
                    number = luck.randrange(len(line.images))
                    line.goes_back(number)
                    if kept_ms < KEPT_MS:
                        # What was trimmed on a line that was given up cannot be had again.
                        del line.images[number + 1 :]
        await line.goes_on(1)
        await line.archived(archive, kept_ms=kept_ms)
        assert await wrong(line, archive) == [], seed
        rewinds += (await archive.look(sums.oddities, line.chain_id)).rewinds
    assert rewinds > LIVES


async def test_what_is_set_aside_is_kept_and_counted(archive: Archive) -> None:
    line = Line(CHAIN)
    await line.goes_on(4)
    line.keeps_an_image()
    await line.goes_on(3)
    await line.archived(archive, kept_ms=KEPT_MS)
    line.goes_back(0)
    await line.goes_on(2)
    await line.archived(archive, kept_ms=KEPT_MS)
    assert await wrong(line, archive) == []
    odd = await archive.look(sums.oddities, CHAIN)
    assert (odd.rewinds, odd.set_aside, odd.unsettled) == (2, 6, 3)


async def test_a_store_that_lost_everything_is_followed_from_its_new_beginning(
    archive: Archive,
) -> None:
    line = Line(CHAIN)
    line.keeps_an_image()
    await line.goes_on(5)
    await line.archived(archive, kept_ms=0)
    line.goes_back(0)
    await line.goes_on(2)
    await line.archived(archive, kept_ms=0)
    assert await wrong(line, archive) == []


async def test_an_archive_that_went_back_itself_says_what_it_lacks(
    archive: Archive, sql_urls: Urls
) -> None:
    """Its own backup was restored: what the store has let go of meanwhile is gone for good."""
    line = Line(CHAIN)
    await line.goes_on(3)
    await line.archived(archive, kept_ms=0)
    newer = open_archive(sql_urls("newer"))
    await line.goes_on(6)
    # The newer archive takes the store's part away from under the older one.
    await line.archived(newer, kept_ms=0)
    await line.goes_on(2)
    await line.archived(archive, kept_ms=0)
    newer.close()
    odd = await archive.look(sums.oddities, CHAIN)
    assert odd.rewinds == 0
    assert odd.lost_gaps >= 2
    report = await verify(line.store, archive)
    assert {"archive gap", "balance"} <= {row.check for row in report.rows}


async def test_an_archive_that_went_back_is_whole_again_where_the_store_still_has_the_rest(
    archive: Archive, sql_urls: Urls
) -> None:
    """Its own backup was restored before the store let go of what followed."""
    line = Line(CHAIN)
    await line.goes_on(3)
    await line.archived(archive, kept_ms=KEPT_MS)
    newer = open_archive(sql_urls("newer"))
    await line.goes_on(6)
    await line.archived(newer, kept_ms=KEPT_MS)
    newer.close()
    await line.goes_on(2)
    await line.archived(archive, kept_ms=KEPT_MS)
    assert await wrong(line, archive) == []


async def test_events_that_were_passed_over_are_read_again(
    archive: Archive, sql_urls: Urls
) -> None:
    line = Line(CHAIN)
    await line.goes_on(4)
    await line.archived(archive, kept_ms=KEPT_MS)
    engine = create_engine(sql_urls("archive"))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM events WHERE seq IN (2, 4)"))
    await line.goes_on(2)
    await line.archived(archive, kept_ms=KEPT_MS)
    # The gap before the newest was seen and filled; the older one is seen by verify.
    assert [e.payload for e in await archive.events(CHAIN)] == [
        event for number, (_, event) in enumerate(line.happened) if number != 1
    ]
    assert await archive.look(gaps, CHAIN) == []
    engine.dispose()


async def test_a_session_that_ended_in_the_lost_past_may_end_otherwise(archive: Archive) -> None:
    server = MemoryServer()
    store = MemoryStore(server)
    shard = await played_day(store)
    consumer = ArchiveConsumer(store, archive, shard.clock)
    await consumer.step()
    image = deepcopy(server.chain(ORBIT))
    await shard.wait(minutes=600)
    await consumer.step()
    lost = await archive.session(ORBIT, "s4")
    assert lost is not None, "it ran out of money"
    server._chains[ORBIT] = image
    await consumer.step()
    assert await archive.session(ORBIT, "s4") is None
    report = await verify(store, archive)
    assert report.ok, report.rows
    odd = await archive.look(sums.oddities, ORBIT)
    assert odd.rewinds == 2
    assert odd.unsettled > 0


async def test_webhooks_read_on_from_where_the_past_is_still_true(archive: Archive) -> None:
    line = Line(CHAIN)
    await line.goes_on(4)
    line.keeps_an_image()
    await line.goes_on(4)
    await line.archived(archive, kept_ms=KEPT_MS)
    queue = DeliveryQueue(archive)
    await queue.take_in(CHAIN, [], after="0-0", to="7-0", now_ms=0)
    line.goes_back(0)
    await line.goes_on(1)
    await line.archived(archive, kept_ms=KEPT_MS)
    assert await queue.cursor(CHAIN) == "4-0"


async def test_a_death_within_a_rewind_is_made_up_for(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(CHAIN)
    await line.goes_on(4)
    line.keeps_an_image()
    await line.goes_on(4)
    await line.archived(archive, kept_ms=KEPT_MS)
    line.goes_back(0)
    await line.goes_on(3)

    def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    for step in ("_note", "set_sessions_aside"):
        with monkeypatch.context() as patched:
            patched.setattr(rewinding, step, dies)
            with pytest.raises(asyncio.CancelledError):
                await line.archived(archive, kept_ms=KEPT_MS)
        assert len(await archive.transactions(CHAIN)) == 8, "nothing was half done"
    await line.archived(archive, kept_ms=KEPT_MS)
    assert await wrong(line, archive) == []
    assert payloads(await archive.events(CHAIN)) == [event for _, event in line.happened]
