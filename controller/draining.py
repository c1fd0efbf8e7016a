"""Which hosts should be empty: those an operator named, and those of a release gone by.

The names an operator gave are one snapshot of the store, a JSON list, so that a controller that
starts later finds them too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from actors.store import HostRecord, Snapshots

DRAINED_SNAPSHOT: Final = "drained-hosts"
RELEASE_SNAPSHOT: Final = "release"
RELEASE_DETAIL: Final = "release"


@dataclass(frozen=True, slots=True)
class Departures:
    """``tell`` are hosts to be told to give everything up, ``end`` those that have."""

    tell: tuple[HostRecord, ...] = ()
    end: tuple[HostRecord, ...] = ()


def departures(
    live: Sequence[HostRecord],
    *,
    wanted: Iterable[str],
    drained: frozenset[str],
    assigned: Iterable[str],
) -> Departures:
    """What to do with hosts that should go.

    A host goes when an operator drained it, or when it is none of ``wanted`` and all of these
    live: an old release serves until the new one can take over. ``assigned`` are the hosts of
    the current map; one that is in it, or still owns a shard, is not ended.
    """
    staying = frozenset(wanted) - drained
    can_take_over = staying <= {record.name for record in live}
    going = [
        record
        for record in live
        if record.name in drained or (can_take_over and record.name not in staying)
    ]
    busy = frozenset(assigned)
    return Departures(
        tell=tuple(record for record in going if not record.draining),
        end=tuple(
            record
            for record in going
            if record.draining and not record.shards_owned and record.name not in busy
        ),
    )


async def drained_hosts(store: Snapshots) -> frozenset[str]:
    """Hosts that an operator wants empty."""
    raw = (await store.snapshots(DRAINED_SNAPSHOT)).get(DRAINED_SNAPSHOT)
    return frozenset() if raw is None else frozenset(map(str, orjson.loads(raw)))


async def set_drained(store: Snapshots, names: Iterable[str]) -> None:
    """Replace the names an operator wants empty."""
    await store.put_snapshot(DRAINED_SNAPSHOT, orjson.dumps(sorted(names)), ttl_ms=None)


async def take_charge(store: Snapshots, release: str) -> None:
    """From now on hosts should be of this release; the controller of another stands by."""
    await store.put_snapshot(RELEASE_SNAPSHOT, release.encode(), ttl_ms=None)


async def release_in_charge(store: Snapshots) -> str | None:
    """The release whose controller started last."""
    raw = (await store.snapshots(RELEASE_SNAPSHOT)).get(RELEASE_SNAPSHOT)
    return None if raw is None else raw.decode()
