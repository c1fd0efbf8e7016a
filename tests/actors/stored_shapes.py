"""Every kind of document the store keeps, as a played day leaves it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clubs_under_test import CHAIN
from day_under_test import played_day

from actors.store_memory import MemoryStore

GOLDEN = Path(__file__).parent / "golden"
Document = Mapping[str, Any]


async def stored_documents() -> dict[str, Any]:
    """One document of each kind by its name in the folder of snapshots."""
    store = MemoryStore()
    await played_day(store)
    entities = {one.key: json.loads(one.blob) for one in await store.all_entities(CHAIN)}
    closed = {one.key: json.loads(one.blob) for one in await store.closed_sessions(CHAIN)}
    catalogue = {key: json.loads(raw) for key, raw in (await store.catalogue(CHAIN)).items()}
    players = await store.documents_by_prefix(CHAIN, "player:")
    return {
        "pc": entities["pc:north-vip-0"],
        "session": entities["session:s4"],
        "closed_session": closed["s2"],
        "catalogue": catalogue,
        "player": json.loads(players[0].blob),
    }


def missing(before: object, after: object, path: str = "") -> list[str]:
    """What ``before`` has and ``after`` lacks, by path; lists are looked at by their first."""
    if isinstance(before, dict):
        if not isinstance(after, dict):
            return [path or "document"] if after is not None else []
        gone = [f"{path}.{name}" for name in before if name not in after]
        kept = [name for name in before if name in after]
        return gone + [
            line for name in kept for line in missing(before[name], after[name], f"{path}.{name}")
        ]
    if isinstance(before, list) and isinstance(after, list) and before and after:
        return missing(before[0], after[0], f"{path}[]")
    return []
