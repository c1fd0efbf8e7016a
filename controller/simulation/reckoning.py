"""What a session must have cost, worked out from where the player sat and when. Nothing else.

Sessions at the minute price only: time at each price, the last begun minute in full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.simulation import town

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
_SIMPLE_CAUSES: Final = frozenset({"start", "zone", "price"})

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bill:
    """The least and the most a session may have cost; equal but where a booking cuts a minute."""

    least_minor: int
    most_minor: int


def is_simple(session: Document) -> bool:
    """Whether the reckoning knows all of the session's prices."""
    return not session["extensions"] and all(
        segment["tariff"]["id"] == town.STANDARD and segment["cause"] in _SIMPLE_CAUSES
        for segment in session["segments"]
    )


def bill(session: Document) -> Bill:
    """What a session costs as it ended, or as far as it is paid."""
    started_ms, ended_ms = session["actual_start_at_ms"], session["actual_end_at_ms"]
    if started_ms is None or ended_ms == started_ms:
        return Bill(0, 0)
    until_ms = session["segments"][-1]["paid_until_ms"] if ended_ms is None else ended_ms
    stays = _stays(session["device_links"], started_ms, until_ms)
    full_ms = started_ms + -(-(until_ms - started_ms) // MINUTE_MS) * MINUTE_MS
    by_hand = str(session["ended_reason"]).startswith("Manual")
    return Bill(_cost(stays, full_ms if by_hand else until_ms), _cost(stays, full_ms))


def unpaid_ms(session: Document, now_ms: int) -> int:
    """How far the billing of a running session is behind."""
    if session["status"] != "STARTED":
        return 0
    paid_until_ms: int = session["segments"][-1]["paid_until_ms"]
    return max(0, now_ms - paid_until_ms)


def _stays(links: Sequence[Document], started_ms: int, until_ms: int) -> list[tuple[str, int]]:
    """(zone, from when) in order; the same price goes on without a seam."""
    stays: list[tuple[str, int]] = []
    for link in links:
        from_ms = max(started_ms, link["start_at_ms"])
        end_ms = link["end_at_ms"]
        if from_ms > until_ms or (end_ms is not None and end_ms < started_ms):
            continue
        zone = town.ZONE_OF_PC[link["pc_id"]]
        if stays and stays[-1][1] == from_ms:
            stays.pop()
        if not stays or stays[-1][0] != zone:
            stays.append((zone, from_ms))
    return stays


def _cost(stays: Sequence[tuple[str, int]], until_ms: int) -> int:
    ends = [*(from_ms for _, from_ms in stays[1:]), until_ms]
    return sum(
        _rounded(town.PRICE_PER_HOUR_MINOR[zone] * (end_ms - from_ms))
        for (zone, from_ms), end_ms in zip(stays, ends, strict=True)
    )


def _rounded(units: int) -> int:
    return (units + HOUR_MS // 2) // HOUR_MS
