"""A history that says by itself whether it is whole: numbered transactions and events."""

import asyncio
from collections.abc import Sequence

import orjson
from stores_under_test import CHAIN, owned, wallet

from actors.store import Store, StreamEntry, Unit

PER_BATCH = 25


def numbered(number: int, line: int = 0) -> tuple[bytes, bytes]:
    """A transaction and an event; ``line`` tells histories apart that number alike."""
    amount_minor = number % 97 + 1
    transaction = {
        "id": f"step/s1/0/{number}",
        "at_ms": number + line * 1_000_000,
        "kind": "step",
        "entries": [
            {"account": wallet("p1"), "amount_minor": -amount_minor},
            {"account": "EUR:revenue:c1", "amount_minor": amount_minor},
        ],
        "session_id": "s1",
        "segment_index": 0,
        "step_index": number,
    }
    at_ms = number + line * 1_000_000
    event = {"session_id": "s1", "club_id": "c1", "seq": number + 1, "kind": "k", "at_ms": at_ms}
    return orjson.dumps(transaction), orjson.dumps({"v": 1, "event": event})


def unit_of(numbers: Sequence[int], line: int = 0) -> Unit:
    """What one commit writes of it, money and all."""
    pairs = [numbered(number, line) for number in numbers]
    amount_minor = sum(number % 97 + 1 for number in numbers)
    return Unit(
        transactions=tuple(transaction for transaction, _ in pairs),
        events=tuple(event for _, event in pairs),
        deltas=((wallet("p1"), -amount_minor), ("EUR:revenue:c1", amount_minor)),
    )


async def produce(store: Store, stop: asyncio.Event) -> int:
    """Write history until told to stop; how many transactions."""
    ownership = await owned(store)
    await store.put(CHAIN, {"chain": b"{}"})
    written = 0
    while not stop.is_set():
        unit = unit_of(range(written, written + PER_BATCH))
        await store.commit(ownership, written // PER_BATCH + 1, [unit])
        written += PER_BATCH
        await asyncio.sleep(0.01)
    return written


def payloads(entries: Sequence[StreamEntry]) -> list[bytes]:
    return [entry.payload for entry in entries]
