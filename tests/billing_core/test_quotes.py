"""Quotes of what is bought first, and refunds of what was hardly used."""

from dataclasses import replace

from billing_core.order import OrderContext, Settled, refund
from billing_core.player_tariff import bought
from billing_core.quote import QuoteRequest, quote
from billing_core.receipt import LineKind
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import EndedReason, SessionMode
from billing_core.tariff import (
    Channel,
    PriceRule,
    RefundPolicy,
    SalesPolicy,
    Tariff,
    TariffType,
    Tier,
)
from billing_core.terms import ClubTerms, Terms, ZoneTerms
from billing_core.wallet import Wallet

NOON = 1_772_449_200_000
HOUR = 3_600_000
HOURS = Tariff(
    "hours",
    1,
    "Three hours",
    "EUR",
    TariffType.HOURS,
    hours=3,
    price_minor=30_000,
    refund=RefundPolicy.BONUS,
    sales=SalesPolicy(channels=(Channel.APP,)),
)
STD = Tariff(
    "std",
    1,
    "Standard",
    "EUR",
    TariffType.PER_MINUTE,
    prices=(PriceRule("any", tiers=(Tier(0, 12_000),)),),
)


def terms(wallet: Wallet) -> Terms:
    """A club that sells both."""
    tariffs = {tariff.ref: tariff for tariff in (HOURS, STD)}
    return Terms(ClubTerms("c1", "Europe/Berlin", "EUR"), tariffs, ZoneTerms("std"), wallet)


def request(hours: int, **more) -> QuoteRequest:
    """From noon."""
    return QuoteRequest(NOON, NOON + hours * HOUR, **more)


def test_a_bought_tariff_is_bought_for_the_quote() -> None:
    """The price leaves the wallet, the rest comes back under the policy."""
    answer = quote(HOURS, terms(Wallet(40_000)), request(1, channel=Channel.APP))
    assert not isinstance(answer, Rejected)
    assert answer.purchase_minor == 30_000
    assert answer.receipt.total_minor == 10_000
    assert answer.wallet == Wallet(10_000, 20_000)
    assert answer.coverage.until_ms == NOON + 3 * HOUR
    assert (answer.ended_at_ms, answer.ended_reason) == (
        NOON + HOUR,
        EndedReason.MANUAL_BY_PLAYER,
    )
    [segment] = answer.receipt.segments
    assert [(line.kind, line.steps) for line in segment.lines] == [(LineKind.PREPAID, 60)]


def test_a_quote_says_what_a_purchase_would_be_refused_for() -> None:
    """The channel, then the money."""
    refused = quote(HOURS, terms(Wallet(40_000)), request(1))
    assert isinstance(refused, Rejected)
    assert refused.code is RejectionCode.TARIFF_NOT_IN_CHANNEL
    refused = quote(HOURS, terms(Wallet(100)), request(1, channel=Channel.APP))
    assert isinstance(refused, Rejected)
    assert refused.code is RejectionCode.INSUFFICIENT_FUNDS


def test_a_post_pay_quote_needs_no_money() -> None:
    """And buys nothing."""
    answer = quote(STD, terms(Wallet()), request(2, mode=SessionMode.OPEN_ENDED))
    assert not isinstance(answer, Rejected)
    assert (answer.purchase_minor, answer.receipt.total_minor) == (0, 24_000)
    assert answer.coverage.until_ms is None


def test_use_too_small_to_be_earned_is_use() -> None:
    """A pack used for a moment goes back under its policy, not as if untouched."""
    owned = replace(
        bought(
            HOURS,
            player_tariff_id="pt-1",
            holder_id="p1",
            club_id="c1",
            at_ms=NOON,
            price_minor=30_000,
        ),
        used_ms=1,
    )
    settled = refund(owned, HOURS, terms(Wallet()), context=OrderContext("k", NOON, "p1"))
    assert isinstance(settled, Settled)
    assert settled.wallet == Wallet(0, 30_000)
    untouched = replace(owned, used_ms=0)
    settled = refund(untouched, HOURS, terms(Wallet()), context=OrderContext("k", NOON, "p1"))
    assert isinstance(settled, Settled)
    assert settled.wallet == Wallet(30_000)
