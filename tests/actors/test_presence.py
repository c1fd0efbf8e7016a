"""Presence as an operator reads it: one row is one moment of one PC."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.presence import (
    NOT_RESPONDING_AFTER_MS,
    RECOVERY_GRACE_MS,
    SUSPECT_AFTER_MS,
    Presence,
    Signal,
    is_outage,
    judged,
    postponed,
    recovered,
    signalled,
)
from schemas.views import LinkState

TIMELINES = """
name                            | facts (second signal)                 | at s | link
fresh PC                        |                                       |    0 | UNPROVISIONED
first word                      | 0 heard                               |    0 | ONLINE
quiet but in time               | 0 heard                               |   24 | ONLINE
silent for 25 s                 | 0 heard                               |   25 | SUSPECT
silent for 39 s                 | 0 heard                               |   39 | SUSPECT
silent for 40 s                 | 0 heard                               |   40 | NOT_RESPONDING
the broker saw it break         | 0 heard, 5 will                       |    5 | SUSPECT
will and ten more seconds       | 0 heard, 5 will                       |   15 | NOT_RESPONDING
it spoke after its will         | 0 heard, 5 will, 9 heard              |   20 | ONLINE
a will cannot lengthen silence  | 0 heard, 38 will                      |   40 | NOT_RESPONDING
shut down on purpose            | 0 heard, 5 goodbye                    |  500 | OFF
off, then a late will           | 0 heard, 5 goodbye, 6 will            |  500 | OFF
back after being lost           | 0 heard, 90 heard                     |   90 | ONLINE
host blind, nobody is blamed    | 0 heard, 5 blind                      |  500 | LINK_UNKNOWN
sight regained, grace           | 0 heard, 5 blind, 100 sighted         |  139 | LINK_UNKNOWN
grace over and still silent     | 0 heard, 5 blind, 100 sighted         |  140 | NOT_RESPONDING
heard within the grace          | 0 heard, 5 blind, 99 sighted, 110 heard | 120 | ONLINE
off stays off while blind       | 0 heard, 1 goodbye, 5 blind, 9 sighted | 500 | OFF
"""


def rows() -> list[tuple[str, str, int, str]]:
    parsed = []
    for line in TIMELINES.strip().splitlines()[1:]:
        name, facts, at_s, link = (cell.strip() for cell in line.split("|"))
        parsed.append((name, facts, int(at_s), link))
    return parsed


@pytest.mark.parametrize(("name", "facts", "at_s", "link"), rows())
def test_timeline(name: str, facts: str, at_s: int, link: str) -> None:
    presence = Presence(LinkState.UNPROVISIONED)
    for fact in filter(None, facts.split(", ")):
        second, signal = fact.split()
        now_ms = int(second) * 1_000
        presence = signalled(judged(presence, now_ms), Signal(signal), now_ms)
    assert judged(presence, at_s * 1_000).link == link, name


def test_recovery_gives_everybody_the_grace() -> None:
    presence = recovered(LinkState.NOT_RESPONDING, 0)
    assert presence.link is LinkState.LINK_UNKNOWN
    assert judged(presence, RECOVERY_GRACE_MS - 1).link is LinkState.LINK_UNKNOWN
    assert judged(presence, RECOVERY_GRACE_MS).link is LinkState.NOT_RESPONDING


def test_a_pc_that_was_off_stays_off_over_a_recovery() -> None:
    assert recovered(LinkState.OFF, 0) == Presence(LinkState.OFF)


def test_a_late_host_moves_the_deadline() -> None:
    heard = signalled(Presence(LinkState.UNPROVISIONED), Signal.HEARD, 0)
    assert judged(postponed(heard, 30_000), 50_000).link is LinkState.ONLINE
    assert judged(postponed(heard, 30_000), 55_000).link is LinkState.SUSPECT


def test_four_edges_in_ten_minutes_are_flapping() -> None:
    presence = signalled(Presence(LinkState.UNPROVISIONED), Signal.HEARD, 0)
    for minute in range(1, 4):
        presence = signalled(presence, Signal.WILL, minute * 60_000)
        presence = signalled(presence, Signal.HEARD, minute * 60_000 + 1_000)
    assert presence.is_flapping
    calm = signalled(presence, Signal.WILL, 2_000_000)
    assert not calm.is_flapping


@pytest.mark.parametrize(
    ("silent", "expected", "outage"),
    [(2, 2, False), (3, 5, True), (3, 6, False), (11, 20, True), (10, 20, False), (0, 0, False)],
)
def test_outage_needs_more_than_two_and_most_of_the_club(
    silent: int, expected: int, outage: bool
) -> None:
    assert is_outage([1_000] * silent, expected, 10_000) is outage


def test_pcs_that_fell_silent_one_by_one_are_no_outage() -> None:
    assert not is_outage([0, 40_000, 80_000], 3, 81_000)


@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.sampled_from(list(Signal))), max_size=30),
    st.integers(0, 60_000),
)
def test_judging_late_or_often_gives_the_same_link(
    gaps: list[tuple[int, Signal]], last_gap_ms: int
) -> None:
    often = late = Presence(LinkState.UNPROVISIONED)
    now_ms = 0
    for gap_ms, signal in gaps:
        for step in range(0, gap_ms, 5_000):
            often = judged(often, now_ms + step)
        now_ms += gap_ms
        often = signalled(judged(often, now_ms), signal, now_ms)
        late = signalled(judged(late, now_ms), signal, now_ms)
    end_ms = now_ms + last_gap_ms
    assert judged(often, end_ms).link == judged(late, end_ms).link


@given(st.integers(0, 10**6))
def test_whoever_just_spoke_is_online_until_suspect(now_ms: int) -> None:
    heard = signalled(Presence(LinkState.OFF), Signal.HEARD, now_ms)
    assert judged(heard, now_ms + SUSPECT_AFTER_MS - 1).link is LinkState.ONLINE
    assert judged(heard, now_ms + NOT_RESPONDING_AFTER_MS).link is LinkState.NOT_RESPONDING
