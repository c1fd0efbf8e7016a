"""Every test of this room reads tariffs and clocks anew."""

import pytest

from billing_core import ledger, pricing, window

CACHES = (
    pricing.piece_at,
    window.intervals_starting_on,
    ledger.wallet_cash,
    ledger.wallet_bonus,
    ledger.revenue,
    ledger.receivable,
    ledger.deferred,
)


@pytest.fixture(autouse=True)
def no_memory_of_other_tests() -> None:
    """A cached answer of another test would hide a wrong one."""
    for cached in CACHES:
        cached.cache_clear()
