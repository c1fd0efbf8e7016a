"""Random tariffs and moments for property tests."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from billing_core.tariff import PriceRule, Tariff, TariffType, Tier, UsagePolicy
from billing_core.window import ALWAYS, Schedule, TimeWindow

TIMEZONE = "Europe/Berlin"
ZONES = ("std", "vip")

prices = st.one_of(st.integers(0, 40_000), st.sampled_from([0, 1, 100, 9_999, 10_000, 12_000]))
minutes = st.integers(0, 95).map(lambda quarter: quarter * 15)


@st.composite
def windows(draw: st.DrawFn) -> TimeWindow:
    """A daily window, often around a random hour; sometimes on some weekdays only."""
    days = draw(st.one_of(st.just(tuple(range(7))), st.sets(st.integers(0, 6), min_size=1)))
    return TimeWindow(draw(minutes), draw(minutes), tuple(sorted(days)))


schedules = st.one_of(
    st.just(ALWAYS), st.lists(windows(), min_size=1, max_size=2).map(tuple).map(Schedule)
)


@st.composite
def rules(draw: st.DrawFn) -> PriceRule:
    """A price rule with anything it may have."""
    tiers = [Tier(0, draw(prices))]
    if draw(st.booleans()):
        tiers.append(Tier(draw(st.integers(1, 90)), draw(prices)))
    least = draw(st.one_of(st.none(), st.integers(0, 3_000)))
    most = draw(st.one_of(st.none(), st.integers(least or 0, 9_000)))
    return PriceRule(
        name="rule",
        zones=draw(st.sampled_from([(), (), ("std",), ("vip",)])),
        groups=draw(st.sampled_from([(), (), ("student",)])),
        when=draw(schedules),
        tiers=tuple(tiers),
        start_fee_minor=draw(st.sampled_from([0, 0, 15, 200])),
        min_price_minor=least,
        max_price_minor=most,
    )


@st.composite
def per_minute_tariffs(draw: st.DrawFn) -> Tariff:
    """A per-minute tariff; its last rule usually matches everywhere."""
    table = draw(st.lists(rules(), max_size=2))
    table.append(PriceRule("rest", tiers=(Tier(0, draw(prices)),)))
    return Tariff(
        id="t",
        version=1,
        name="Random",
        currency="EUR",
        type=TariffType.PER_MINUTE,
        prices=tuple(table),
        usage=UsagePolicy(draw(schedules)),
        minimum_minutes=draw(st.sampled_from([0, 0, 0, 7, 30])),
        billing_step_seconds=draw(st.sampled_from([15, 60, 60, 90, 600])),
        bonus_max_percent=draw(st.sampled_from([0, 33, 50, 100, 100])),
    )


_DAYS = ["2026-03-02", "2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2026-12-31"]


@st.composite
def moments(draw: st.DrawFn) -> int:
    """A second of some day, the nights the clocks change included."""
    midnight = datetime.fromisoformat(draw(st.sampled_from(_DAYS))).replace(
        tzinfo=ZoneInfo(TIMEZONE)
    )
    return int(midnight.timestamp()) + draw(st.integers(0, 86_399))
