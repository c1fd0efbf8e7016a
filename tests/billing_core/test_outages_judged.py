"""Verdicts over any evidence, and money over any verdicts: nothing twice, nothing unproven."""

from dataclasses import replace
from itertools import pairwise

from club_world import PLAYER, SESSION, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tariff_strategies import TIMEZONE, moments, per_minute_tariffs

from billing_core.commands import CreateSession, EndSession
from billing_core.ledger import imbalance
from billing_core.outage import (
    NOT_SERVED,
    OUTAGE_MIN_MS,
    VERDICTS,
    Finding,
    JournalFact,
    LinkFact,
    OutagePolicy,
    OutageStatus,
    Span,
    Verdict,
    findings,
    verdict_at,
)
from billing_core.receipt import receipt_of
from billing_core.tariff import Tariff
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.wallet import Wallet

HOUR_S = 3_600
CREDITS = ClubTerms(
    "c1", TIMEZONE, "EUR", outages=OutagePolicy.CREDIT, credit_max_minutes=1_000_000
)
slow = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spans(facts: st.SearchStrategy) -> st.SearchStrategy:
    """Any stretches within an hour, overlapping or not."""
    instants = st.integers(0, HOUR_S * 1_000)
    return st.lists(
        st.tuples(instants, instants, facts).map(lambda t: Span(min(t[:2]), max(t[:2]), t[2])),
        max_size=6,
    )


def test_every_pair_of_facts_has_a_verdict() -> None:
    assert set(VERDICTS) == {(link, journal) for link in LinkFact for journal in JournalFact}


def test_what_the_journal_shows_as_played_is_never_given_back() -> None:
    for link in LinkFact:
        for journal in (JournalFact.SERVED, JournalFact.UNKNOWN, JournalFact.AGENT_DOWN):
            assert VERDICTS[link, journal] not in NOT_SERVED


def test_a_pc_that_was_heard_serving_has_served() -> None:
    for journal in set(JournalFact) - {JournalFact.LOCKED}:
        assert VERDICTS[LinkFact.HEARD, journal] is Verdict.PLAYED


@given(
    spans(st.sampled_from([LinkFact.SILENT, LinkFact.BLIND])),
    spans(st.sampled_from(JournalFact)),
    st.integers(0, HOUR_S * 1_000),
    st.integers(1, HOUR_S * 1_000),
)
def test_verdicts_cover_the_time_once_and_each_instant_by_its_own_facts(
    link: list[Span[LinkFact]], journal: list[Span[JournalFact]], from_ms: int, length_ms: int
) -> None:
    until_ms = from_ms + length_ms
    found = findings(link, journal, from_ms=from_ms, until_ms=until_ms)
    assert (found[0].from_ms, found[-1].until_ms) == (from_ms, until_ms)
    assert all(one.until_ms == other.from_ms for one, other in pairwise(found))
    for at_ms in {from_ms, until_ms - 1, *(s.from_ms for s in (*link, *journal))}:
        if not from_ms <= at_ms < until_ms:
            continue
        here = (s.fact for s in link if s.from_ms <= at_ms < s.until_ms)
        there = (s.fact for s in journal if s.from_ms <= at_ms < s.until_ms)
        facts = next(here, LinkFact.HEARD), next(there, JournalFact.UNKNOWN)
        assert verdict_at(found, at_ms) is VERDICTS[facts]


def frozen(start_ms: int, from_s: int, seconds: int) -> Finding:
    from_ms = start_ms + from_s * 1_000
    verdict = Verdict.FROZEN
    link, journal = LinkFact.SILENT, JournalFact.FROZEN
    return Finding(from_ms, from_ms + seconds * 1_000, verdict, link, journal)


def played(tariff: Tariff, start: int, seconds: int) -> World | None:
    club = World(CREDITS, {tariff.ref: tariff}, {"std": ZoneTerms("std")}, wallet=Wallet(10**9))
    asked = CreateSession(SESSION, "c1", "pc0", "std", tariff.ref, player_id=PLAYER, start=True)
    if club.do(asked, start * 1_000) is not None:
        return None
    club.tick_all((start + seconds) * 1_000)
    return club


outages = st.lists(
    st.tuples(st.integers(-600, 3 * HOUR_S), st.integers(60, HOUR_S)), min_size=1, max_size=4
)


@slow
@given(per_minute_tariffs(), moments(), st.integers(60, 4 * HOUR_S), outages, st.booleans())
def test_money_goes_back_once_whatever_is_found_in_whatever_order(
    tariff: Tariff, start: int, seconds: int, cuts: list[tuple[int, int]], late: bool
) -> None:
    club = played(tariff, start, seconds)
    if club is None:
        return
    now_ms = (start + seconds) * 1_000
    if late:
        club.do(EndSession(), now_ms)
    before, wallet = club.state.amount_minor, club.wallet
    for from_s, length_s in sorted(cuts):
        club.judge(now_ms, frozen(start * 1_000, from_s, length_s))
        club.judge(now_ms, frozen(start * 1_000, from_s, length_s))
    state = club.state
    back = sum(one.amount_minor for one in state.outages)
    assert 0 <= back <= before
    assert state.amount_minor == before - back
    assert club.wallet.total_minor == wallet.total_minor + back
    assert not imbalance(entry for one in club.ledger.values() for entry in one.entries)
    ends = [one.until_ms for one in state.outages]
    starts = [one.from_ms for one in state.outages]
    assert all(end <= begin for end, begin in zip(ends, starts[1:], strict=False))
    assert all(one.status is OutageStatus.CREDITED for one in state.outages)
    assert all(one.until_ms - one.from_ms >= OUTAGE_MIN_MS for one in state.outages)
    receipt = receipt_of(state, club.tariffs, timezone=TIMEZONE, issued_at_ms=now_ms)
    for part, segment in zip(receipt.segments, state.segments, strict=True):
        assert sum(line.amount_minor for line in part.lines) == segment.amount_minor
        assert segment.accrued_units >= 0
        assert segment.amount_minor >= 0
    assert len(receipt.outages) == len(state.outages)


@slow
@given(per_minute_tariffs(), moments(), st.integers(600, 4 * HOUR_S), st.integers(1, 50))
def test_an_outage_found_in_two_parts_gives_back_what_it_does_in_one(
    tariff: Tariff, start: int, seconds: int, minutes: int
) -> None:
    whole = played(tariff, start, seconds)
    if whole is None:
        return
    parts, now_ms = whole.copy(), (start + seconds) * 1_000
    finding = frozen(start * 1_000, 120, minutes * 120)
    middle_ms = finding.from_ms + minutes * 60_000
    whole.judge(now_ms, finding)
    parts.judge(now_ms, replace(finding, until_ms=middle_ms))
    parts.judge(now_ms, replace(finding, from_ms=middle_ms))
    assert whole.state.amount_minor == parts.state.amount_minor
    assert whole.wallet == parts.wallet
    assert whole.balances() == parts.balances()
