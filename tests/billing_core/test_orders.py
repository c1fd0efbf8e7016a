"""Money outside a running session: bills, corrections, lapses, leases, and refused repeats."""

from dataclasses import replace

import pytest
from club_world import PLAYER, SESSION, World

from billing_core.closing import ONE_SITTING
from billing_core.commands import CreateSession, EndSession
from billing_core.lease import lease_duration_ms
from billing_core.ledger import Entry, Means, command_id, imbalance, top_up
from billing_core.money import amount_text
from billing_core.order import OrderContext, Settled, buy, correct, lapse, refund
from billing_core.player_tariff import PlayerTariffStatus
from billing_core.receipt import receipt_of
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import SessionMode
from billing_core.tariff import (
    ExpirationRules,
    PriceRule,
    Tariff,
    TariffType,
    Tier,
    UsagePolicy,
)
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.wallet import Wallet
from billing_core.window import Schedule
from billing_core.window_text import parse_window

MINUTE = 60_000
NOON = 1_772_449_200_000
STD = Tariff(
    "std",
    1,
    "Standard",
    "EUR",
    TariffType.PER_MINUTE,
    prices=(PriceRule("any", tiers=(Tier(0, 12_000),)),),
)
POOL = Tariff(
    "pool",
    1,
    "Pool",
    "EUR",
    TariffType.MULTIPASS,
    hours=10,
    price_minor=80_000,
    expiration=ExpirationRules(days_after_purchase=30),
)
DAY_PASS = Tariff(
    "pass",
    1,
    "Pass",
    "EUR",
    TariffType.SUBSCRIPTION,
    price_minor=30_000,
    expiration=ExpirationRules(days_after_purchase=30),
    usage=UsagePolicy(Schedule((parse_window("10:00-22:00"),))),
)
CLUB = ClubTerms("c1", "Europe/Berlin", "EUR")


def world(wallet: Wallet) -> World:
    """A club with three tariffs."""
    tariffs = {tariff.ref: tariff for tariff in (STD, POOL, DAY_PASS)}
    return World(CLUB, tariffs, {"std": ZoneTerms("std")}, wallet=wallet)


def played(wallet: Wallet, *, minutes: int, mode: SessionMode = SessionMode.PREPAID) -> World:
    """A session at 2.00 a minute that was ended by hand."""
    club = world(wallet)
    command = CreateSession(
        SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER, mode=mode, start=True
    )
    assert club.do(command, NOON) is None
    assert club.do(EndSession(), NOON + minutes * MINUTE) is None
    return club


def context(key: str = "k1", at_ms: int = NOON) -> OrderContext:
    """A cashier's command."""
    return OrderContext(key, at_ms, PLAYER)


def sums(settled: Settled) -> dict[str, int]:
    """Amount per account."""
    entries = [entry for one in settled.transactions for entry in one.entries]
    assert imbalance(entries) == {}
    return {entry.account: entry.amount_minor for entry in entries}


def test_a_correction_goes_back_as_it_was_paid() -> None:
    """Three corrections of a bill paid 7.00 in bonus and 13.00 in cash: exact in the end."""
    club = played(Wallet(10_000, 700), minutes=10)
    receipt = receipt_of(club.state, club.tariffs, timezone=CLUB.timezone)
    wallet, corrected = club.wallet, 0
    for number, amount in enumerate((500, 501, 999)):
        settled = correct(
            club.state,
            context(f"k{number}"),
            amount_minor=amount,
            corrected_minor=corrected,
            wallet=wallet,
        )
        assert isinstance(settled, Settled)
        assert sums(settled)["EUR:revenue:c1"] == -amount
        wallet, corrected = settled.wallet, corrected + amount
    assert wallet == Wallet(10_000, 700)
    assert receipt_of(club.state, club.tariffs, timezone=CLUB.timezone) == receipt


def test_corrections_never_exceed_the_price() -> None:
    """Not in one go and not in many."""
    club = played(Wallet(10_000), minutes=10)
    refused = correct(
        club.state, context(), amount_minor=1, corrected_minor=2_000, wallet=club.wallet
    )
    assert isinstance(refused, Rejected)
    assert refused.code is RejectionCode.REFUND_TOO_LARGE
    refused = correct(club.state, context(), amount_minor=0, corrected_minor=0, wallet=club.wallet)
    assert isinstance(refused, Rejected)
    assert refused.code is RejectionCode.AMOUNT_INVALID


def test_a_post_pay_correction_lowers_the_bill() -> None:
    """Nobody gets money for what was not paid yet; what was paid comes back."""
    club = played(Wallet(), minutes=10, mode=SessionMode.OPEN_ENDED)
    settled = correct(
        club.state,
        context(),
        amount_minor=500,
        corrected_minor=0,
        wallet=club.wallet,
        owed_minor=400,
    )
    assert isinstance(settled, Settled)
    assert sums(settled) == {
        "EUR:revenue:c1": -500,
        "EUR:receivable:s1": 400,
        "EUR:wallet:p1:cash": 100,
    }
    assert settled.wallet == Wallet(100)


def test_an_expired_pool_lapses_once() -> None:
    """What was never played becomes revenue at the deadline, not before, and not twice."""
    club = world(Wallet(80_000))
    club.buy(NOON, "pool", "A", "crm")
    owned = club.owned["pt-A"]
    deadline = NOON + 30 * 86_400_000
    assert lapse(owned, POOL, CLUB, context=context(at_ms=deadline - 1)) is None
    assert (
        lapse(replace(owned, session_id="s9"), POOL, CLUB, context=context(at_ms=deadline)) is None
    )
    settled = lapse(owned, POOL, CLUB, context=context(at_ms=deadline))
    assert settled is not None
    assert sums(settled) == {"EUR:deferred:c1": -80_000, "EUR:revenue:c1": 80_000}
    assert settled.player_tariff.status is PlayerTariffStatus.EXPIRED
    assert settled.player_tariff.earned_minor == 80_000
    assert lapse(settled.player_tariff, POOL, CLUB, context=context(at_ms=deadline)) is None


def test_a_top_up_and_its_bonus_are_two_transactions() -> None:
    """Each with an id of its own, each balanced; no bonus, no transaction."""
    said = {
        "idempotency_key": "k1",
        "at_ms": NOON,
        "currency": "EUR",
        "club_id": "c1",
        "holder_id": PLAYER,
        "means": Means.CASH,
        "amount_minor": 5_000,
    }
    paid, given = top_up(**said, bonus_minor=500)
    assert paid.entries == (
        Entry("EUR:desk:c1:cash", -5_000),
        Entry("EUR:wallet:p1:cash", 5_000),
    )
    assert given.entries == (
        Entry("EUR:promo:c1", -500),
        Entry("EUR:wallet:p1:bonus", 500),
    )
    assert [paid.id, given.id] == [command_id("k1"), command_id("k1", 1)]
    assert len(top_up(**said)) == 1


def test_the_lease_of_open_money_is_capped_and_of_prepaid_time_is_not() -> None:
    """2,000 minutes of balance give half an hour without us; ten bought hours give ten."""
    rich = world(Wallet(400_000))
    begun = CreateSession(SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER, start=True)
    rich.do(begun, NOON)
    assert lease_duration_ms(rich.state, rich.terms(), NOON) == 30 * MINUTE
    poor = world(Wallet(1_000))
    poor.do(begun, NOON)
    assert lease_duration_ms(poor.state, poor.terms(), NOON + MINUTE) == 4 * MINUTE
    pool = world(Wallet(80_000))
    pool.buy(NOON, "pool", "A", "crm")
    pool.do(replace(begun, tariff=POOL.ref, player_tariff_id="pt-A"), NOON)
    assert lease_duration_ms(pool.state, pool.terms(), NOON + MINUTE) == 599 * MINUTE
    pool.do(EndSession(), NOON + MINUTE)
    assert lease_duration_ms(pool.state, pool.terms(), NOON + MINUTE) == 0


def test_a_session_not_started_has_no_lease() -> None:
    """A reservation unlocks nothing."""
    club = world(Wallet(1_000))
    command = CreateSession(SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER)
    club.do(command, NOON)
    assert lease_duration_ms(club.state, club.terms(), NOON) == 0


def test_a_subscription_is_earned_by_the_calendar() -> None:
    """Half of the thirty days gone: half of the price is revenue, however little was played."""
    club = world(Wallet(30_000))
    club.buy(NOON, "pass", "A", "crm")
    half_ms = NOON + 15 * 86_400_000
    command = CreateSession(
        SESSION, "c1", "pc0", "std", DAY_PASS.ref, PLAYER, player_tariff_id="pt-A", start=True
    )
    club.do(command, half_ms - MINUTE)
    club.do(EndSession(), half_ms)
    assert club.balance("revenue:c1") == 15_000
    assert club.balance("deferred:c1") == 15_000
    assert club.owned["pt-A"].status is PlayerTariffStatus.OPEN
    assert TariffType.SUBSCRIPTION not in ONE_SITTING


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "EUR", "12.50 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (1250, "JPY", "1250 JPY"),
        (1250, "KWD", "1.250 KWD"),
    ],
)
def test_amounts_for_people(amount: int, currency: str, text: str) -> None:
    """Each currency has its own decimals."""
    assert amount_text(amount, currency) == text


def test_money_that_comes_after_the_end_does_not_undo_it() -> None:
    """A late tick with a fuller wallet ends the session where coverage did; it is not told."""
    club = world(Wallet(1_000))
    command = CreateSession(SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER, start=True)
    club.do(command, NOON)
    club.wallet = Wallet(club.wallet.cash_minor + 5_000)
    club.tick(NOON + 20 * MINUTE)
    assert club.state.actual_end_at_ms == NOON + 5 * MINUTE
    assert (club.state.amount_minor, club.wallet) == (1_000, Wallet(5_000))


def test_a_tick_in_time_takes_a_fuller_wallet_into_account() -> None:
    """And a poorer one, without being told."""
    command = CreateSession(SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER, start=True)
    for money, minutes in ((5_000, 26), (0, 1)):
        club = world(Wallet(1_000))
        club.do(command, NOON)
        club.wallet = Wallet(money)
        club.tick(NOON + MINUTE // 2)
        assert club.state.coverage.until_ms == NOON + minutes * MINUTE


def test_a_lease_goes_through_grace_and_no_further() -> None:
    """The PC stays open in the grace; an entry without an end gets the offline limit."""
    club = world(Wallet(1_000))
    club.club = replace(CLUB, grace_seconds=60)
    command = CreateSession(SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER, start=True)
    club.do(command, NOON)
    end_ms = NOON + 5 * MINUTE
    assert lease_duration_ms(club.state, club.terms(), end_ms) == MINUTE
    club.tick(end_ms + 1)
    assert club.state.actual_end_at_ms is None
    assert lease_duration_ms(club.state, club.terms(), end_ms + 1) == MINUTE - 1
    assert lease_duration_ms(club.state, club.terms(), end_ms + MINUTE) == 0
    entries = replace(POOL, id="visits", hours=None, sessions=5, expiration=ExpirationRules())
    other = world(Wallet(80_000))
    other.tariffs[entries.ref] = entries
    other.buy(NOON, "visits", "A", "crm")
    other.do(replace(command, tariff=entries.ref, player_tariff_id="pt-A"), NOON)
    assert lease_duration_ms(other.state, other.terms(), NOON) == 30 * MINUTE


def test_a_pack_in_another_session_renews_nothing() -> None:
    """One pack serves one session at a time, in renewals too."""
    club = world(Wallet(90_000))
    club.buy(NOON, "pool", "A", "crm")
    club.owned["pt-A"] = replace(club.owned["pt-A"], session_id="s9")
    club.auto_renewal = True
    command = CreateSession(SESSION, "c1", "pc0", "std", STD.ref, player_id=PLAYER, start=True)
    club.do(command, NOON)
    assert club.state.coverage.until_ms == NOON + 50 * MINUTE
    refused = club.do(
        replace(command, session_id="s2", tariff=POOL.ref, player_tariff_id="pt-A"), NOON
    )
    assert refused is not None
    assert refused.code is RejectionCode.PLAYER_TARIFF_IN_USE


def test_a_purchase_at_the_desk_leaves_the_wallet_alone() -> None:
    """Cash in the drawer, prepaid time on the account."""
    club = world(Wallet(100))
    bought = buy(POOL, club.terms(), context(), means=Means.CARD)
    assert isinstance(bought, Settled)
    assert sums(bought) == {"EUR:desk:c1:card": -80_000, "EUR:deferred:c1": 80_000}
    assert bought.wallet == Wallet(100)
    refused = buy(STD, club.terms(), context())
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.field) == (RejectionCode.TARIFF_NOT_ON_SALE, "tariff")
    assert refused.message == "Standard is charged while it is played"


@pytest.mark.parametrize(
    ("change", "amount", "code", "field", "message"),
    [
        ({"session_id": "s9"}, None, "player-tariff-in-use", None, "Pool is being played"),
        ({}, 0, "amount-invalid", "amount_minor", "a refund is above zero"),
        ({}, 80_001, "refund-too-large", "amount_minor", "only 800.00 EUR is left of Pool"),
        (
            {"status": PlayerTariffStatus.EXPIRED},
            None,
            "nothing-to-refund",
            None,
            "nothing of Pool is left",
        ),
        (
            {"status": PlayerTariffStatus.REFUNDED},
            None,
            "nothing-to-refund",
            None,
            "Pool has gone back already",
        ),
    ],
)
def test_a_refund_that_cannot_be(
    change: dict, amount: int | None, code: str, field: str | None, message: str
) -> None:
    """Each says why."""
    club = world(Wallet(80_000))
    club.buy(NOON, "pool", "A", "crm")
    owned = replace(club.owned["pt-A"], **change)
    refused = refund(owned, POOL, club.terms(), context=context(), amount_minor=amount)
    assert refused == Rejected(RejectionCode(code), message, field)


def test_a_correction_says_why_not() -> None:
    """Amounts are money in what people read."""
    club = played(Wallet(500), minutes=10, mode=SessionMode.OPEN_ENDED)
    said = {"corrected_minor": 1_500, "wallet": club.wallet}
    refused = correct(club.state, context(), amount_minor=501, **said)
    assert refused == Rejected(
        RejectionCode.REFUND_TOO_LARGE,
        "the session cost 20.00 EUR, 15.00 EUR went back before",
        "amount_minor",
    )
    refused = correct(club.state, context(), amount_minor=0, **said)
    assert refused == Rejected(
        RejectionCode.AMOUNT_INVALID, "a correction gives back more than zero", "amount_minor"
    )
