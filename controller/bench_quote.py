"""How long a quote over a very long session takes, beside a bare loop of the same length."""

from collections.abc import Callable
from typing import Any, Final

from billing_core.grid import grid_from_plain
from billing_core.quote import Quote, QuoteRequest, quote
from billing_core.rejection import Rejected
from billing_core.terms import Terms
from billing_core.wallet import Wallet
from controller.bench.stopwatch import stopwatch

MINUTES: Final = 10_000
REPEATS: Final = 5
_START_MS: Final = 1_772_449_200_000
_GRID: Final = {
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "tariffs": [
        {
            "id": "bench",
            "type": "PER_MINUTE",
            "prices": [
                {"name": "day", "when": "08:00-18:00", "price_per_hour_minor": 10_000},
                {"name": "evening", "price_per_hour_minor": 18_000},
            ],
        }
    ],
}


def run() -> dict[str, Any]:
    """Best of some repeats: milliseconds for the quote and the loop, and their ratio."""
    grid = grid_from_plain(_GRID)
    (tariff,) = grid.tariffs
    terms = Terms(grid.club, grid.by_ref, grid.zone("any"), Wallet(10**12))
    request = QuoteRequest(_START_MS, _START_MS + MINUTES * 60_000)

    def ask() -> Quote:
        answer = quote(tariff, terms, request)
        assert not isinstance(answer, Rejected)
        return answer

    answer = ask()
    quote_ms, loop_ms = _best_ms(ask), _best_ms(_bare_loop)
    return {
        "minutes": MINUTES,
        "segments": len(answer.receipt.segments),
        "quote_ms": round(quote_ms, 3),
        "bare_loop_ms": round(loop_ms, 3),
        "ratio": round(quote_ms / loop_ms, 2),
        "limit_ms": 50,
    }


def _bare_loop() -> int:
    """A step of the simplest thing per minute: add a price, round, take the difference."""
    posted = 0
    for minute in range(1, MINUTES + 1):
        owed = (minute * 10_000 * 2 + 60) // 120
        posted += owed - posted
    return posted


def _best_ms(work: Callable[[], object]) -> float:
    best_s = float("inf")
    for _ in range(REPEATS):
        with stopwatch() as lap:
            work()
        best_s = min(best_s, lap.seconds)
    return best_s * 1_000
