"""Pages turned while sessions begin, end and are archived: each is on exactly one of them."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from clubs_under_test import CHAIN
from two_clubs_under_test import two_clubs

from actors.store import Store
from controller.archive import Archive, ArchiveConsumer, open_archive
from controller.client import ClubctlClient

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PCS = 6
ROUNDS = 16
FAR_AHEAD_MS = 2**45


async def test_no_session_is_missing_or_there_twice(tmp_path: Path) -> None:
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    async with (
        two_clubs(tmp_path / "state", pcs_per_zone=PCS, archived=archive) as chain,
        chain.client(chain.addresses[0]) as living,
        chain.client(chain.addresses[1]) as reading,
    ):
        stop = asyncio.Event()
        consumer = ArchiveConsumer(chain.store, archive, chain.clock)
        archiving = asyncio.create_task(_archive(consumer, chain.store, archive, stop))
        life = asyncio.gather(*(_live(living, number) for number in range(PCS)))
        rounds = 0
        while not life.done():
            await _turn_all_pages(reading)
            rounds += 1
        made = [one for those in await life for one in those]
        stop.set()
        await archiving
        assert rounds >= 3
        assert sorted(await _turn_all_pages(reading)) == sorted(made)
        assert len(made) == PCS * ROUNDS
    archive.close()


async def _live(client: ClubctlClient, number: int) -> list[str]:
    made = []
    for round_number in range(ROUNDS):
        key = f"{number}-{round_number}"
        session = await client.create_session(
            "north",
            key=f"{key}-a",
            pc_id=f"north-main-{number}",
            guest_label="Max",
            tariff_id="standard",
            payment={"amountMinor": 10_00},
            start=True,
        )
        made.append(session.session_id)
        await client.end_session(session.session_id, key=f"{key}-b")
    return made


async def _archive(
    consumer: ArchiveConsumer, store: Store, archive: Archive, stop: asyncio.Event
) -> None:
    """Archive, and let go at once of what is archived."""
    while not stop.is_set():
        await consumer.step()
        ids = await store.closed_ids(CHAIN)
        held = await archive.closed_before(CHAIN, ids, FAR_AHEAD_MS)
        await store.drop_closed(CHAIN, held, behind={})
        await asyncio.sleep(0.02)


async def _turn_all_pages(client: ClubctlClient) -> list[str]:
    """Every page; what was there before the first and is there after the last was seen once."""
    before = set(await _whole(client))
    seen: Counter[str] = Counter()
    cursor = None
    while True:
        page = await client.list_sessions(limit=3, cursor=cursor)
        seen.update(one.session_id for one in page.sessions)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert before <= set(seen)
    assert not [one for one, count in seen.items() if count > 1]
    return list(seen)


async def _whole(client: ClubctlClient) -> list[str]:
    return [one.session_id for one in (await client.list_sessions(limit=200)).sessions]
