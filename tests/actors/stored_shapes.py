"""Every kind of document the store keeps, as a played day leaves it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from clubs_under_test import CHAIN
from day_under_test import played_day, told

from actors.store import ChainStream
from actors.store_memory import MemoryStore
from billing_core.plain import tariff_to_dict
from billing_core.tariff import PriceRule, RefundPolicy, Tariff, TariffType
from schemas.commands import CreateOrder, RefundOrder

GOLDEN = Path(__file__).parent / "golden"
Document = Mapping[str, Any]
HOURS = Tariff(
    id="hours",
    version=1,
    name="Hours",
    currency="EUR",
    type=TariffType.HOURS,
    hours=10,
    price_minor=100_00,
    prices=(PriceRule("any"),),
    refund=RefundPolicy.CASH,
)


async def stored_documents() -> dict[str, Any]:
    """One document of each kind by its name in the folder of snapshots."""
    store = MemoryStore()
    await store.put(CHAIN, {"tariff:hours:1": orjson.dumps(tariff_to_dict(HOURS))})
    shard = await played_day(store)
    paid = [{"means": "cash", "amount_minor": 100_00}]
    order = {"player_id": "ann", "tariff_ids": ("hours",), "payments": paid}
    for order_id in ("o1", "o2"):
        await told(shard, CreateOrder.model_validate({**order, "order_id": order_id}))
    await told(shard, RefundOrder.model_validate({"order_id": "o1", "amount_minor": 30_00}))
    entities = {one.key: json.loads(one.blob) for one in await store.all_entities(CHAIN)}
    closed = {one.key: json.loads(one.blob) for one in await store.closed_sessions(CHAIN)}
    catalogue = {key: json.loads(raw) for key, raw in (await store.catalogue(CHAIN)).items()}
    documents = {
        one.key: json.loads(one.blob) for one in await store.documents_by_prefix(CHAIN, "")
    }
    ledger = await store.stream(CHAIN, ChainStream.LEDGER)
    outbox = await store.stream(CHAIN, ChainStream.OUTBOX)
    events = [json.loads(entry.payload) for entry in outbox]
    _, hall = await store.hall(CHAIN, "north")
    (audited, *_) = await store.audit(CHAIN)
    return {
        "pc": entities["pc:north-vip-0"],
        "club": entities["club:north"],
        "session": entities["session:s4"],
        "closed_session": closed["s2"],
        "catalogue": catalogue,
        "player": documents["player:ann"],
        "order": documents["order:o1"],
        "bought": documents["bought:ann"],
        "transaction": json.loads(ledger[-1].payload),
        "event": next(one for one in events if one["source"] == "session:s1"),
        "audit": json.loads(audited.payload),
        "tile": json.loads(hall["north-vip-0"]),
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
