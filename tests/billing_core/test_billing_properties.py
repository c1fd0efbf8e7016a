"""Laws that hold for any tariff: post-pay, quotes, packs, stored states, forecasts."""

from dataclasses import asdict, replace

import orjson
from club_world import PLAYER, SESSION, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tariff_strategies import TIMEZONE, moments, per_minute_tariffs

from billing_core.advance import advance
from billing_core.commands import (
    CreateSession,
    EndSession,
    ExtendSession,
    Recompute,
    SwitchSessionDevice,
)
from billing_core.decide import decide
from billing_core.money import minor_from_units, round_half_up, units_below
from billing_core.quote import QuoteRequest, quote
from billing_core.receipt import receipt_of
from billing_core.rejection import Rejected
from billing_core.session import SessionMode
from billing_core.stored import session_from_dict, tariff_from_dict
from billing_core.tariff import ExpirationRules, PriceRule, RefundPolicy, Tariff, TariffType
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.wallet import Wallet, bonus_part, most_affordable_minor

CLUB = ClubTerms("c1", TIMEZONE, "EUR")
RICH = Wallet(10**9)
slow = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def world(tariff: Tariff, wallet: Wallet) -> World:
    """A fresh club with one tariff."""
    return World(CLUB, {tariff.ref: tariff}, {"std": ZoneTerms("std")}, wallet=wallet)


def create(tariff: Tariff, mode: SessionMode = SessionMode.PREPAID) -> CreateSession:
    """A session begun at once."""
    return CreateSession(
        SESSION, "c1", "pc0", "std", tariff.ref, player_id=PLAYER, mode=mode, start=True
    )


@slow
@given(per_minute_tariffs(), moments(), st.integers(1, 20_000))
def test_post_pay_costs_what_prepay_costs(tariff: Tariff, start: int, seconds: int) -> None:
    """The same play, paid step by step or at the end."""
    totals = []
    for mode in SessionMode:
        club = world(tariff, RICH)
        if club.do(create(tariff, mode), start * 1_000) is not None:
            totals.append(None)
            continue
        club.tick_all((start + seconds) * 1_000)
        club.do(EndSession(), (start + seconds) * 1_000)
        totals.append((club.state.amount_minor, club.state.actual_end_at_ms))
    assert totals[0] == totals[1]


@slow
@given(
    per_minute_tariffs(),
    moments(),
    st.integers(1, 40_000),
    st.builds(Wallet, st.integers(0, 30_000), st.integers(0, 3_000)),
)
def test_a_quote_is_what_a_session_then_costs(
    tariff: Tariff, start: int, seconds: int, wallet: Wallet
) -> None:
    """Segment by segment, line by line, and the wallet after."""
    club = world(tariff, wallet)
    end_ms = (start + seconds) * 1_000
    quoted = quote(tariff, club.terms(), QuoteRequest(start * 1_000, end_ms))
    refused = club.do(create(tariff), start * 1_000)
    if isinstance(quoted, Rejected):
        assert refused == quoted
        return
    assert refused is None
    assert club.state.coverage == quoted.coverage
    club.tick_all(end_ms)
    club.do(EndSession(), end_ms)
    receipt = receipt_of(club.state, club.tariffs, timezone=TIMEZONE)
    assert receipt.total_minor == quoted.receipt.total_minor
    assert [part.lines for part in receipt.segments] == [
        part.lines for part in quoted.receipt.segments
    ]
    assert (club.wallet, club.state.actual_end_at_ms) == (quoted.wallet, quoted.ended_at_ms)


@slow
@given(per_minute_tariffs(), moments(), st.integers(0, 30_000), st.integers(1, 9_000))
def test_receipts_and_states_hold_together(
    tariff: Tariff, start: int, cash: int, seconds: int
) -> None:
    """Lines sum up and count every step; the state survives JSON; a repeat changes nothing."""
    club = world(tariff, Wallet(cash))
    if club.do(create(tariff), start * 1_000) is not None:
        return
    now_ms = (start + seconds) * 1_000
    club.tick(now_ms)
    state = club.state
    again = advance(state, club.terms(), now_ms)
    assert (again.state, again.transactions, again.events) == (state, (), ())
    assert session_from_dict(orjson.loads(orjson.dumps(state))) == state
    receipt = receipt_of(state, club.tariffs, timezone=TIMEZONE, issued_at_ms=now_ms)
    for part, segment in zip(receipt.segments, state.segments, strict=True):
        assert sum(line.amount_minor for line in part.lines) == part.amount_minor
        assert sum(line.steps for line in part.lines) == segment.steps
    if state.due_at_ms is not None:
        decided = decide(state, Recompute(), terms=club.terms(), now_ms=now_ms)
        assert not isinstance(decided, Rejected)
        assert decided.state == state


@given(st.integers(0, 10**12))
def test_rounding_is_half_up_everywhere(units: int) -> None:
    """Units round as fractions do, and the bound of a bound is tight."""
    from fractions import Fraction

    amount = minor_from_units(units)
    assert amount == round_half_up(Fraction(units, 3_600_000))
    assert minor_from_units(units_below(amount)) == amount
    assert minor_from_units(units_below(amount) + 1) == amount + 1


@given(
    st.integers(-500, 3_000),
    st.integers(0, 3_000),
    st.integers(0, 500),
    st.integers(0, 2_000),
    st.integers(0, 100),
)
def test_the_most_a_wallet_affords_is_exact(
    cash: int, bonus: int, credit: int, before: int, percent: int
) -> None:
    """One minor unit more would go below the limit, or further below it."""
    wallet = Wallet(cash, bonus, credit)
    most = most_affordable_minor(wallet, before_minor=before, bonus_max_percent=percent)

    def pays(total: int) -> bool:
        charge = total - before
        part = bonus_part(charge, before_minor=before, bonus_minor=bonus, bonus_max_percent=percent)
        return charge - part <= max(0, wallet.spendable_cash_minor)

    assert most >= before
    assert pays(most)
    assert not pays(most + 1)


@st.composite
def packs(draw: st.DrawFn) -> Tariff:
    """A bought tariff of hours or of sessions."""
    kind = draw(st.sampled_from([TariffType.HOURS, TariffType.MULTIPASS, TariffType.FIXED]))
    by_sessions = kind is TariffType.MULTIPASS and draw(st.booleans())
    counted_in_hours = kind is not TariffType.FIXED and not by_sessions
    return Tariff(
        id="pack",
        version=1,
        name="Pack",
        currency="EUR",
        type=kind,
        prices=(
            PriceRule("vip", zones=("vip",), block_price_minor=draw(st.integers(0, 30_000))),
            PriceRule("any"),
        ),
        price_minor=draw(st.integers(0, 20_000)),
        block_minutes=draw(st.integers(1, 200)) if not counted_in_hours else None,
        hours=draw(st.integers(1, 4)) if counted_in_hours else None,
        sessions=draw(st.integers(1, 4)) if by_sessions else None,
        expiration=ExpirationRules(days_after_purchase=draw(st.sampled_from([None, 1]))),
        refund=draw(st.sampled_from(RefundPolicy)),
        minimum_minutes=draw(st.sampled_from([0, 0, 10])),
        billing_step_seconds=draw(st.sampled_from([60, 60, 7, 600])),
        bonus_max_percent=draw(st.sampled_from([0, 33, 100])),
    )


ACTS = st.tuples(
    st.sampled_from(["wait", "move", "end", "again", "extend", "buy"]), st.integers(0, 9_000)
)


@settings(max_examples=150, deadline=None)
@given(
    tariff=packs(),
    wallet=st.builds(Wallet, st.integers(0, 60_000), st.integers(0, 20_000)),
    acts=st.lists(ACTS, max_size=8),
    renews=st.booleans(),
)
def test_prepaid_time_is_conserved(
    tariff: Tariff, wallet: Wallet, acts: list[tuple[str, int]], *, renews: bool
) -> None:
    """Whatever happens to prepaid time: money is conserved, each part goes back where it came,
    and a world that is ticked late has the same ledger."""
    eager, late = world(tariff, wallet), world(tariff, wallet)
    for club in (eager, late):
        club.zones["vip"] = ZoneTerms("vip")
        club.auto_renewal = renews
    now_ms = 1_772_400_000_000
    first = [("again", 0)] if tariff.type is TariffType.FIXED else [("buy", 0), ("again", 0)]
    for act, seconds in [*first, *acts]:
        now_ms += seconds * 1_000
        eager.tick_all(now_ms)
        late.tick(now_ms)
        assert eager.state == late.state
        answers = [_act(club, act, tariff, now_ms=now_ms) for club in (eager, late)]
        assert answers[0] == answers[1]
        assert eager.ledger == late.ledger
        _check_pack_money(late, wallet)


def _act(club: World, act: str, tariff: Tariff, *, now_ms: int) -> object:
    """One thing somebody does; nothing where it makes no sense."""
    over = club.state is None or club.state.status.is_final
    open_ones = [name for name, owned in club.owned.items() if owned.status == "OPEN"]
    name = None if tariff.type is TariffType.FIXED else next(iter(open_ones), "none")
    if act == "buy" and tariff.type is not TariffType.FIXED:
        return club.buy(now_ms, "pack", f"n{len(club.owned)}", "crm")
    if act == "again" and over:
        club.state = None
        club.commands += 1
        command = replace(create(tariff), session_id=f"s{club.commands}", player_tariff_id=name)
        return club.do(replace(command, zone_id=club.zone_id), now_ms)
    if over:
        return None
    if act == "move":
        zone_id = "vip" if club.zone_id == "std" else "std"
        return club.do(SwitchSessionDevice(f"pc{now_ms}", zone_id), now_ms, zone_id=zone_id)
    if act == "extend":
        other = None if name is None else open_ones[-1] if open_ones else "none"
        return club.do(ExtendSession(tariff.ref, other), now_ms)
    return club.do(EndSession(), now_ms) if act == "end" else None


def _check_pack_money(club: World, before: Wallet) -> None:
    """Nothing made, nothing lost, bonus never becomes cash, deferred is what packs still hold."""
    assert sum(club.balances().values()) == 0
    running = club.state.open_segment if club.state is not None else None
    held = sum(owned.deferred_minor for owned in club.owned.values())
    if running is not None:
        held -= running.amount_minor
    assert club.balance("deferred:c1") == held
    assert held >= 0
    spent = club.balance("revenue:c1") + held
    assert club.wallet.total_minor + spent == before.total_minor
    assert club.wallet.cash_minor <= before.cash_minor
    for owned in club.owned.values():
        assert 0 <= owned.bonus_minor <= owned.price_minor
        assert owned.returned_minor + owned.earned_minor <= owned.price_minor
        assert owned.total_ms is None or owned.used_ms <= owned.total_ms


@given(per_minute_tariffs())
def test_a_tariff_survives_json(tariff: Tariff) -> None:
    """Stored as it is, read back the same; asdict and the JSON writer agree."""
    assert tariff_from_dict(orjson.loads(orjson.dumps(tariff))) == tariff
    assert tariff_from_dict(asdict(tariff)) == tariff
