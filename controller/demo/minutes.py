"""Minutes charged against minutes on the clock: a check that shares nothing with the billing core.

Time by the minute is charged in whole steps, each when it begins. So a session's steps are at
least its time rounded up, and at most one more for each time it was cut (another price, zone).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

STEP_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class MinuteCheck:
    """Sessions looked at, and minutes charged too few or too many."""

    sessions: int = 0
    lost: int = 0
    doubled: int = 0


def check_minutes(
    states: Iterable[Mapping[str, Any]], minute_tariff_ids: frozenset[str]
) -> MinuteCheck:
    """Compare the final states of ended sessions with their own clock."""
    sessions = lost = doubled = 0
    for state in states:
        by_minute = [
            segment for segment in state["segments"] if segment["tariff"]["id"] in minute_tariff_ids
        ]
        if state["status"] != "ENDED" or not by_minute:
            continue
        sessions += 1
        played_ms = sum(segment["end_at_ms"] - segment["start_at_ms"] for segment in by_minute)
        at_least = -(-played_ms // STEP_MS)
        charged = sum(segment["steps"] for segment in by_minute)
        lost += max(0, at_least - charged)
        doubled += max(0, charged - at_least - (len(by_minute) - 1))
    return MinuteCheck(sessions, lost, doubled)
