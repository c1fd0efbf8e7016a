"""What the demo counts, from the chain's own streams: nothing a killed host could take with it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from actors.store import ChainStream, HostRegistry, Inspection, ReadModels

BATCH: Final = 1_000
STARTED: Final = "session_started"
ENDED: Final = "session_ended"
STEP: Final = "step"


class CountedStore(HostRegistry, ReadModels, Inspection, Protocol):
    """The part of the store that figures are read from."""


@dataclass(slots=True)
class ChainFigures:
    """Counts since :meth:`skip` or since the streams began. ``revenue`` is per currency."""

    chain_id: str
    events: Counter[str] = field(default_factory=Counter)
    revenue: Counter[str] = field(default_factory=Counter)
    transactions: int = 0
    doubled: int = 0
    _steps: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    _cursors: dict[ChainStream, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Billing steps posted, each once."""
        return sum(len(indexes) for indexes in self._steps.values())

    @property
    def lost(self) -> int:
        """Steps missing between the first and the last one posted of each segment."""
        return sum(
            max(indexes) - min(indexes) + 1 - len(indexes) for indexes in self._steps.values()
        )

    @property
    def sessions_started(self) -> int:
        """Sessions whose player pressed Start."""
        return self.events[STARTED]

    @property
    def sessions_ended(self) -> int:
        """Sessions with a receipt."""
        return self.events[ENDED]

    async def skip(self, store: ReadModels) -> None:
        """Count from now on: what an earlier run left is history."""
        for name in ChainStream:
            cursor = "0-0"
            while entries := await store.stream(self.chain_id, name, after=cursor, count=BATCH):
                cursor = entries[-1].entry_id
            self._cursors[name] = cursor

    async def follow(self, store: ReadModels) -> None:
        """Count what was added to the streams since the last call."""
        for name, count in (
            (ChainStream.LEDGER, self._count_transaction),
            (ChainStream.OUTBOX, self._count_event),
        ):
            cursor = self._cursors.get(name, "0-0")
            while entries := await store.stream(self.chain_id, name, after=cursor, count=BATCH):
                for entry in entries:
                    count(orjson.loads(entry.payload))
                cursor = entries[-1].entry_id
                self._cursors[name] = cursor

    def _count_event(self, event: Mapping[str, Any]) -> None:
        self.events[event["event"]["kind"]] += 1

    def _count_transaction(self, transaction: Mapping[str, Any]) -> None:
        self.transactions += 1
        for entry in transaction["entries"]:
            currency, kind, *_ = entry["account"].split(":")
            if kind == "revenue":
                self.revenue[currency] += entry["amount_minor"]
        if transaction["kind"] == STEP:
            segment = (transaction["session_id"], transaction["segment_index"])
            seen = self._steps.setdefault(segment, set())
            self.doubled += transaction["step_index"] in seen
            seen.add(transaction["step_index"])


@dataclass(slots=True)
class HostFigures:
    """Incarnations seen of each host, and how often it was killed on purpose."""

    incarnations: dict[str, set[str]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    alive: tuple[str, ...] = ()

    async def look(self, registry: HostRegistry) -> None:
        """Note who lives now."""
        records = await registry.hosts()
        self.alive = tuple(record.name for record in records)
        for record in records:
            self.incarnations.setdefault(record.name, set()).add(record.incarnation)

    def rows(self) -> list[dict[str, str | int]]:
        """One row per host, for the summary."""
        return [
            {"name": name, "incarnations": len(seen), "kills": self.kills[name]}
            for name, seen in sorted(self.incarnations.items())
        ]


async def sums_by_currency(store: Inspection, chain_id: str) -> dict[str, int]:
    """The sum over all accounts of each currency: zero, or money came from nowhere."""
    sums: Counter[str] = Counter()
    for account, amount_minor in (await store.all_balances(chain_id)).items():
        sums[account.partition(":")[0]] += amount_minor
    return dict(sums)
