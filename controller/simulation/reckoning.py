"""What a session must have cost, worked out from where the player sat and when. Nothing else.

Time from the wallet: each price for as long as the player sat under it, the last begun minute in
full. Bought time: what was drawn is what was sat, and its worth that part of its price.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Final

from controller.simulation import town
from controller.simulation.credits import credited_ms, credited_spans
from controller.simulation.tariffs import PRICE_PER_HOUR_MINOR

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bill:
    """The least and the most a session may have cost; equal but where a minute was cut short."""

    least_minor: int = 0
    most_minor: int = 0

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(self.least_minor + other.least_minor, self.most_minor + other.most_minor)


def from_wallet_minor(session: Document) -> int:
    """What was charged step by step."""
    return sum(one["amount_minor"] for one in session["segments"] if one["pack"] is None)


def bill(session: Document) -> Bill:
    """What the time not bought before costs, as the session ended or as far as it is paid."""
    if session["actual_start_at_ms"] is None or lasted_no_time(session):
        return Bill()
    bought_first = [one for one in session["segments"] if one["pack"] is None]
    runs = groupby(bought_first, key=lambda one: one["run_start_at_ms"])
    return sum((_run_bill(session, list(run)) for _, run in runs), Bill())


def lasted_no_time(session: Document) -> bool:
    """It ended at the instant it began, and costs nothing."""
    return bool(session["actual_end_at_ms"] == session["actual_start_at_ms"])


def _run_bill(session: Document, run: Sequence[Document]) -> Bill:
    start_ms, last = run[0]["run_start_at_ms"], run[-1]
    until_ms = last["paid_until_ms"] if last["end_at_ms"] is None else last["end_at_ms"]
    stays = _stays(session["device_links"], start_ms, until_ms)
    # Who goes on after grace and leaves at that very instant has begun a minute.
    begun = max(-(-(until_ms - start_ms) // MINUTE_MS), min(last["steps"], 1))
    full_ms = start_ms + begun * MINUTE_MS
    by_hand = str(session["ended_reason"]).startswith("Manual")
    is_last = last["index"] == session["segments"][-1]["index"]
    # Where money, a booking or a schedule was to end the run, its last minute may be a part.
    is_cut = last["paid_until_ms"] < full_ms
    whole = by_hand and is_last and not is_cut and until_ms == session["actual_end_at_ms"]
    back = [span for segment in run for span in credited_spans(session, segment)]
    least_minor = _cost(stays, full_ms if whole else until_ms, back)
    return Bill(least_minor, _cost(stays, full_ms, back))


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


def _cost(stays: Sequence[tuple[str, int]], until_ms: int, back: Sequence[tuple[int, int]]) -> int:
    """Each stay at its price, without the time that came ``back``."""
    ends = [*(from_ms for _, from_ms in stays[1:]), until_ms]
    total_minor = 0
    for (zone, from_ms), end_ms in zip(stays, ends, strict=True):
        back_ms = sum(max(0, min(b, end_ms) - max(a, from_ms)) for a, b in back)
        total_minor += share(PRICE_PER_HOUR_MINOR[zone], end_ms - from_ms - back_ms, HOUR_MS)
    return total_minor


def share(amount_minor: int, part: int, whole: int) -> int:
    """A part of an amount, to the nearest minor unit, halves up."""
    return (2 * amount_minor * part + whole) // (2 * whole)


def unpaid_ms(session: Document, now_ms: int, grace_ms: int) -> int:
    """How far the billing of a running session is behind; grace is not billed."""
    if session["status"] != "STARTED":
        return 0
    last = session["segments"][-1]
    paid_until_ms: int = last["paid_until_ms"]
    if last["end_at_ms"] is not None:
        paid_until_ms = last["end_at_ms"] + grace_ms
    return max(0, now_ms - paid_until_ms)


def free_minutes(session: Document, grace_ms: int) -> Iterator[str]:
    """Whatever was played without being paid for: between segments, or at the end of one."""
    name, segments = session["session_id"], session["segments"]
    if not segments:
        if session["actual_start_at_ms"] is not None:
            yield f"{name} was played and never billed"
        return
    if segments[0]["start_at_ms"] != session["actual_start_at_ms"]:
        yield f"{name} began {session['actual_start_at_ms']}, billed {segments[0]['start_at_ms']}"
    for one, following in pairwise(segments):
        pause_ms = following["start_at_ms"] - one["end_at_ms"]
        if not 0 <= pause_ms <= grace_ms:
            yield f"{name}/{following['index']} begins {pause_ms} ms after the one before it"
    ended_ms = session["actual_end_at_ms"]
    if ended_ms is not None and not 0 <= ended_ms - segments[-1]["end_at_ms"] <= grace_ms:
        yield f"{name} ended {ended_ms}, its last segment {segments[-1]['end_at_ms']}"
    for one in segments:
        end_ms = one["end_at_ms"]
        if end_ms is not None and one["paid_until_ms"] < end_ms:
            yield f"{name}/{one['index']} is paid until {one['paid_until_ms']}, ended {end_ms}"
        drawn_ms = _drawn_ms(session, one)
        if one["pack"] is not None and one["accrued_units"] != drawn_ms:
            yield f"{name}/{one['index']} drew {one['accrued_units']} ms, lasted {drawn_ms}"


def _drawn_ms(session: Document, segment: Document) -> int:
    """What a segment must have drawn of bought time: all that was sat, less what came back."""
    sat_ms: int = segment["paid_until_ms"] - segment["start_at_ms"]
    pack = segment["pack"]
    returns = pack is not None and pack["total_ms"] is not None
    return sat_ms - credited_ms(session, segment) if returns else sat_ms
