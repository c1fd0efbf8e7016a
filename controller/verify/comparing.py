"""The archive held against the store, row for row."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from actors.orders import ORDER_KEY_PREFIX
from actors.store import ChainStream, Store, StoredEntity, StreamEntry, place_of
from controller.archive import Archive, order_rows, rows
from controller.archive.catching_up import just_before
from controller.archive.rewinding import TABLE_OF
from controller.readable import readable
from controller.verify.books import Row

ENTRIES_PER_PART: Final = 1_000


async def differences(store: Store, archive: Archive, chain_id: str) -> list[Row]:
    """Rows of the archive that are not what the store holds, and those that are missing in one.

    Of streams: all the store has, up to the archive's cursor. Of sessions and orders: documents
    that both have. It may run while clubs are open; only what was trimmed meanwhile is passed over.
    """
    found = [row async for row in _sessions(store, archive, chain_id)]
    found += [row async for row in _orders(store, archive, chain_id)]
    for stream in TABLE_OF:
        found += [row async for row in _entries(store, archive, chain_id, stream=stream)]
    return found


async def _entries(
    store: Store, archive: Archive, chain_id: str, *, stream: ChainStream
) -> AsyncIterator[Row]:
    check, after = f"{stream} archive", rows.BEGINNING
    until = await archive.cursor(chain_id, stream)
    begun = False
    while read := await store.stream(chain_id, stream, after=after, count=ENTRIES_PER_PART):
        trimmed = place_of(await store.trimmed_before(chain_id, stream)) > place_of(after)
        first = after if begun and not trimmed else just_before(read[0].entry_id)
        kept = {e.entry_id: e for e in read if place_of(e.entry_id) <= place_of(until)}
        last = read[-1].entry_id if len(kept) == len(read) else until
        held = await archive.look(
            rows.documents, TABLE_OF[stream], chain_id, after=first, until=last
        )
        for row in _differ(check, kept, {entry.entry_id: entry for entry in held}):
            yield row
        if len(kept) < len(read):
            return
        after, begun = last, True


def _differ(
    check: str, kept: Mapping[str, StreamEntry], held: Mapping[str, StreamEntry]
) -> list[Row]:
    found = []
    for entry_id in sorted(kept.keys() | held.keys(), key=place_of):
        if entry_id not in held:
            found.append(Row(check, entry_id, "archived", "missing"))
        elif entry_id not in kept:
            found.append(Row(check, entry_id, "in the store", "missing"))
        elif kept[entry_id] != held[entry_id]:
            found.append(Row(check, entry_id, "the same", "something else"))
    return found


async def _sessions(store: Store, archive: Archive, chain_id: str) -> AsyncIterator[Row]:
    ids = await store.closed_ids(chain_id)
    for first in range(0, len(ids), ENTRIES_PER_PART):
        some = ids[first : first + ENTRIES_PER_PART]
        held = {one.key: one for one in await archive.look(rows.sessions, chain_id, some)}
        for kept in await store.closed_among(chain_id, some):
            if _says_otherwise(held.get(kept.key), kept):
                yield Row("session archive", kept.key, "the same", "something else")


async def _orders(store: Store, archive: Archive, chain_id: str) -> AsyncIterator[Row]:
    after: str | None = None
    while True:
        page = await store.documents_page(chain_id, ORDER_KEY_PREFIX, after)
        kept = {one.key: one for one in page.documents}
        ids = sorted(key.removeprefix(ORDER_KEY_PREFIX) for key in kept)
        held = await archive.look(order_rows.orders, chain_id, ids)
        odd = {key for key, one in kept.items() if _is_another(held, one)}
        # One that changed since may be archived as it is now.
        now = await store.documents(chain_id, sorted(odd)) if odd else {}
        for key in sorted(key for key in odd if now.get(key) == kept[key]):
            name = key.removeprefix(ORDER_KEY_PREFIX)
            yield Row("order archive", name, "the same", "something else")
        if (after := page.after) is None:
            return


def _is_another(held: Mapping[str, bytes], kept: StoredEntity) -> bool:
    """The archive may be behind, but not ahead and not of another past."""
    document = held.get(kept.key.removeprefix(ORDER_KEY_PREFIX))
    if document is None or document == kept.blob:
        return False
    archived = StoredEntity(kept.key, 0, document)
    both = [order.event_seq for _, order in readable((archived, kept), order_rows.order_of)]
    return len(both) == len((archived, kept)) and both[0] >= both[1]


def _says_otherwise(held: StoredEntity | None, kept: StoredEntity) -> bool:
    """A newer version may have closed since; the next step of the archive takes it."""
    return held is not None and held != kept and held.version >= kept.version


def missing_rows(expected: Sequence[bytes], archived: Sequence[StreamEntry]) -> list[Row]:
    """``archived`` held against payloads that took effect, in order: a witness, another run."""
    found = []
    for number in range(max(len(expected), len(archived))):
        wanted = expected[number].decode() if number < len(expected) else "nothing"
        there = archived[number].payload.decode() if number < len(archived) else "nothing"
        if wanted != there:
            found.append(Row("archive row", str(number), wanted, there))
    return found
