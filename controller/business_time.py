"""Business time shared by all processes: an anchor in the store, written by a demo alone.

Without an anchor business time is the machine's own. The snapshot is JSON with
``anchor_wall_ms`` (business time, UTC ms), ``anchor_real_ms`` (the machine's UTC ms at that
instant) and ``speed``.
"""

from typing import Final

import orjson

from actors.clock import ClockAnchor
from actors.store import Snapshots

CLOCK_SNAPSHOT: Final = "clock"


async def read_anchor(store: Snapshots) -> ClockAnchor | None:
    """The anchor every process goes by, or None for the machine's own time."""
    raw = (await store.snapshots(CLOCK_SNAPSHOT)).get(CLOCK_SNAPSHOT)
    if raw is None:
        return None
    fields = orjson.loads(raw)
    return ClockAnchor(
        business_at_ms=int(fields["anchor_wall_ms"]),
        real_at_ms=int(fields["anchor_real_ms"]),
        speed=float(fields["speed"]),
    )


async def write_anchor(store: Snapshots, anchor: ClockAnchor) -> None:
    """Make every process that starts from now on go by ``anchor``."""
    fields = {
        "anchor_wall_ms": anchor.business_at_ms,
        "anchor_real_ms": anchor.real_at_ms,
        "speed": anchor.speed,
    }
    await store.put_snapshot(CLOCK_SNAPSHOT, orjson.dumps(fields), ttl_ms=None)


def resumed_anchor(*, last_seen_ms: int | None, real_now_ms: int, speed: float) -> ClockAnchor:
    """An anchor from which business time goes on: never behind what was seen, nor the machine.

    A stopped demo that ran ahead of the machine's clock stands still meanwhile; one at the pace
    of life finds that time has passed.
    """
    return ClockAnchor(
        business_at_ms=max(real_now_ms, last_seen_ms or 0), real_at_ms=real_now_ms, speed=speed
    )
