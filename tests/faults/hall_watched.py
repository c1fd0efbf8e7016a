"""What the hall shows of PCs, and what was told of them, while a row does its worst."""

import asyncio
from typing import Any

import orjson
from clubs_under_test import CHAIN, CLUBS
from faulted_house import EVERYTHING, FaultedHouse, machine_ms
from stack_under_test import FLEET_PER_ZONE, until

from actors.store import ChainStream
from schemas.views import LinkState


async def events_after(house: FaultedHouse, place: str) -> list[dict[str, Any]]:
    entries = await house.stack.store.stream(
        CHAIN, ChainStream.OUTBOX, after=place, count=EVERYTHING
    )
    return [orjson.loads(entry.payload)["event"] for entry in entries]


async def links(house: FaultedHouse) -> dict[str, str]:
    """How well each PC of both clubs is heard, by the hall."""
    found = {}
    for club in CLUBS:
        _, tiles = await house.stack.store.hall(CHAIN, club)
        found |= {pc_id: orjson.loads(tile)["link"] for pc_id, tile in tiles.items()}
    return found


async def seen_while(house: FaultedHouse, seconds: float) -> set[str]:
    """Every link state a PC was shown in within this time."""
    found: set[str] = set()
    until_ms = machine_ms() + int(seconds * 1_000)
    while machine_ms() < until_ms:
        found |= set((await links(house)).values())
        await asyncio.sleep(0.5)
    return found


async def all_online(house: FaultedHouse) -> bool:
    return set((await links(house)).values()) == {LinkState.ONLINE}


async def pcs_at_work(house: FaultedHouse) -> None:
    """Wait until every simulated PC is heard and serves its player."""

    async def open_everywhere() -> bool:
        tiles = [
            await house.stack.tile(club, f"{club}-{zone}-{number}")
            for club in CLUBS
            for zone in ("main", "vip")
            for number in range(FLEET_PER_ZONE)
        ]
        return all(one["link"] == LinkState.ONLINE and one["locked"] is False for one in tiles)

    await until(open_everywhere, what="every PC at work")
