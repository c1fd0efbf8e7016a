"""What the demo counts: from streams, over restarts of hosts, each minute once."""

import orjson
import pytest

from actors.store import ShardId, Unit, UnitStatus
from actors.store_memory import MemoryStore
from controller.business_time import resumed_anchor
from controller.demo.figures import ChainFigures
from controller.demo.lateness import TickLateness
from controller.demo.minutes import check_minutes

STEP = {
    "kind": "step",
    "entries": [
        {"account": "EUR:wallet:ann:cash", "amount_minor": -4},
        {"account": "EUR:revenue:mitte", "amount_minor": 4},
    ],
    "session_id": "s1",
    "segment_index": 0,
    "step_index": 0,
}


class Chain:
    """A chain in the store's memory twin, written the way a host writes."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self._seq = 0

    async def write(
        self, *, transactions: tuple[object, ...] = (), events: tuple[object, ...] = ()
    ) -> None:
        shard = ShardId("c", 0)
        owner = await self.store.acquire(shard, host="h0", nonce=str(self._seq))
        self._seq += 1
        unit = Unit(
            transactions=tuple(map(orjson.dumps, transactions)),
            events=tuple(map(orjson.dumps, events)),
        )
        result = await self.store.commit(owner, self._seq, [unit])
        assert result.outcomes[0].status is UnitStatus.APPLIED


@pytest.mark.parametrize(
    ("indexes", "steps", "doubled", "lost"),
    [
        ([0, 1, 2], 3, 0, 0),
        ([0, 1, 1, 2], 3, 1, 0),
        ([0, 2], 2, 0, 1),
        ([0, 5, 5], 2, 1, 4),
        ([], 0, 0, 0),
    ],
)
async def test_a_minute_missing_or_charged_twice_is_seen(
    indexes: list[int], steps: int, doubled: int, lost: int
) -> None:
    chain, figures = Chain(), ChainFigures("c")
    await chain.write(transactions=tuple({**STEP, "step_index": index} for index in indexes))
    await figures.follow(chain.store)
    assert (figures.steps, figures.doubled, figures.lost) == (steps, doubled, lost)
    assert figures.revenue["EUR"] == 4 * len(indexes)


async def test_following_counts_each_entry_once_and_skipping_counts_none() -> None:
    chain, figures = Chain(), ChainFigures("c")
    started, ended = ({"event": {"kind": f"session_{word}"}} for word in ("started", "ended"))
    await chain.write(events=(started,) * 2_500)
    await figures.skip(chain.store)
    await figures.follow(chain.store)
    assert figures.sessions_started == 0
    await chain.write(events=(started, ended))
    await figures.follow(chain.store)
    await figures.follow(chain.store)
    assert (figures.sessions_started, figures.sessions_ended) == (1, 1)


def buckets(quick: int, slow: int) -> str:
    """A host's lateness histogram with so many ticks under 10 ms and under a second."""
    total = quick + slow
    name = "clubctl_tick_lateness_seconds_bucket"
    return (
        "# TYPE clubctl_tick_lateness_seconds histogram\n"
        f'{name}{{le="0.01"}} {quick}.0\n{name}{{le="1.0"}} {total}.0\n'
        f'{name}{{le="+Inf"}} {total}.0\n'
    )


def test_lateness_of_a_killed_host_is_kept_when_its_successor_begins_at_zero() -> None:
    lateness = TickLateness()
    assert lateness.quantile_ms(0.5) is None
    lateness.add("h0", buckets(98, 2))
    lateness.add("h0", buckets(99, 2))
    lateness.add("h0", buckets(1, 0))
    lateness.add("h1", buckets(98, 0))
    assert lateness.quantile_ms(0.5) == 10
    assert lateness.quantile_ms(0.99) == 10
    assert lateness.quantile_ms(0.995) == 1_000


@pytest.mark.parametrize(
    ("last_seen_ms", "real_now_ms", "begins_at_ms"),
    [(None, 1_000, 1_000), (5_000, 1_000, 5_000), (500, 1_000, 1_000)],
)
def test_business_time_never_runs_backwards_over_a_restart(
    last_seen_ms: int | None, real_now_ms: int, begins_at_ms: int
) -> None:
    anchor = resumed_anchor(last_seen_ms=last_seen_ms, real_now_ms=real_now_ms, speed=60.0)
    assert anchor.business_at_ms == begins_at_ms


def session(
    status: str, *segments: tuple[int, int, int], tariff: str = "minute"
) -> dict[str, object]:
    """A final state; segments are (start ms, end ms, steps charged)."""
    return {
        "status": status,
        "segments": [
            {"tariff": {"id": tariff}, "start_at_ms": start, "end_at_ms": end, "steps": steps}
            for start, end, steps in segments
        ],
    }


@pytest.mark.parametrize(
    ("state", "lost", "doubled"),
    [
        (session("ENDED", (0, 120_000, 2)), 0, 0),
        (session("ENDED", (0, 120_001, 3)), 0, 0),
        (session("ENDED", (0, 120_001, 2)), 1, 0),
        (session("ENDED", (0, 120_000, 3)), 0, 1),
        (session("ENDED", (0, 90_000, 2), (90_000, 120_000, 1)), 0, 0),
        (session("ENDED", (0, 90_000, 2), (90_000, 120_000, 2)), 0, 1),
        (session("CANCELLED", (0, 120_000, 0)), 0, 0),
        (session("ENDED", (0, 120_000, 0), tariff="block"), 0, 0),
    ],
)
def test_minutes_charged_are_held_against_the_clock(
    state: dict[str, object], lost: int, doubled: int
) -> None:
    found = check_minutes([state], frozenset({"minute"}))
    assert (found.lost, found.doubled) == (lost, doubled)
