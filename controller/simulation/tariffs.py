"""What the simulated clubs sell: every type of tariff, every refund policy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from billing_core.tariff import (
    ExpirationRules,
    PriceRule,
    RefundPolicy,
    Tariff,
    TariffType,
    Tier,
    UsagePolicy,
)
from billing_core.window import Schedule, TimeWindow

CURRENCY: Final = "EUR"
VIP_ZONES: Final = ("north-vip", "south-vip")
PRICE_PER_HOUR_MINOR: Final = MappingProxyType({"main": 120_00, "vip": 250_00})
HOUR_MINUTES: Final = 60

STANDARD: Final = "standard"
BLOCK: Final = "block"
DASH: Final = "dash"
HOUR: Final = "hour"
VISITS: Final = "visits"
POOL: Final = "pool"
NIGHT: Final = "night"

TARIFFS: Final = (
    Tariff(
        id=STANDARD,
        version=1,
        name="Standard",
        currency=CURRENCY,
        type=TariffType.PER_MINUTE,
        prices=(
            PriceRule("VIP", zones=VIP_ZONES, tiers=(Tier(0, PRICE_PER_HOUR_MINOR["vip"]),)),
            PriceRule("day", tiers=(Tier(0, PRICE_PER_HOUR_MINOR["main"]),)),
        ),
    ),
    Tariff(
        id=BLOCK,
        version=1,
        name="Half an hour",
        currency=CURRENCY,
        type=TariffType.FIXED,
        price_minor=50_00,
        block_minutes=30,
        refund=RefundPolicy.CASH,
    ),
    Tariff(
        id=DASH,
        version=1,
        name="Ten minutes",
        currency=CURRENCY,
        type=TariffType.FIXED,
        price_minor=12_00,
        block_minutes=10,
        refund=RefundPolicy.FORFEIT,
    ),
    Tariff(
        id=HOUR,
        version=1,
        name="An hour",
        currency=CURRENCY,
        type=TariffType.HOURS,
        price_minor=90_00,
        hours=1,
        refund=RefundPolicy.BONUS,
        prices=(
            PriceRule("VIP", zones=VIP_ZONES, block_price_minor=150_00),
            PriceRule("day"),
        ),
    ),
    Tariff(
        id=VISITS,
        version=1,
        name="Three visits",
        currency=CURRENCY,
        type=TariffType.MULTIPASS,
        price_minor=60_00,
        sessions=3,
        block_minutes=20,
    ),
    Tariff(
        id=POOL,
        version=1,
        name="Two hours to share out",
        currency=CURRENCY,
        type=TariffType.MULTIPASS,
        price_minor=150_00,
        hours=2,
        refund=RefundPolicy.CASH,
        priority=1,
    ),
    Tariff(
        id=NIGHT,
        version=1,
        name="Every night",
        currency=CURRENCY,
        type=TariffType.SUBSCRIPTION,
        price_minor=80_00,
        usage=UsagePolicy(
            start=Schedule((TimeWindow(22 * HOUR_MINUTES, 8 * HOUR_MINUTES),)),
            completion_minutes=15,
        ),
        expiration=ExpirationRules(days_after_purchase=30),
    ),
)
BOUGHT: Final = (HOUR, VISITS, POOL, NIGHT, BLOCK)
"""What people order before they play."""
CASH_BACK: Final = frozenset(one.id for one in TARIFFS if one.refund is RefundPolicy.CASH)
FORFEITED: Final = frozenset(one.id for one in TARIFFS if one.refund is RefundPolicy.FORFEIT)
LIST_PRICE_MINOR: Final[Mapping[str, int]] = MappingProxyType(
    {tariff.id: tariff.price_minor for tariff in TARIFFS}
)
LIST_LENGTH_MS: Final[Mapping[str, int | None]] = MappingProxyType(
    {tariff.id: tariff.pool_ms for tariff in TARIFFS}
)
"""How much time a bought one holds; None where that is not what is counted."""
