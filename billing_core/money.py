"""Money: integer minor units of one currency, exact in between, rounded by one rule.

An amount that is still growing is kept in *units*: minor units x milliseconds per hour. A price
of P minor units an hour owes exactly ``P * elapsed_ms`` units, so nothing is ever rounded until
it is posted.
"""

from fractions import Fraction
from typing import Final

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000
MS_PER_HOUR: Final = 3_600_000
MS_PER_DAY: Final = 86_400_000

UNITS_PER_MINOR: Final = MS_PER_HOUR
"""How many units make one minor unit."""


def round_half_up(amount: Fraction | int) -> int:
    """The one rounding rule: to the nearest minor unit, halves away from minus infinity."""
    if isinstance(amount, int):
        return amount
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


def minor_from_units(units: int) -> int:
    """Round units to minor units, half up."""
    return (units + UNITS_PER_MINOR // 2) // UNITS_PER_MINOR


def units_from_minor(amount_minor: int) -> int:
    """Minor units as units, exactly."""
    return amount_minor * UNITS_PER_MINOR


def units_below(amount_minor: int) -> int:
    """The most units that still round to ``amount_minor`` or less."""
    return amount_minor * UNITS_PER_MINOR + UNITS_PER_MINOR // 2 - 1


def share_half_up(amount_minor: int, part: int, whole: int) -> int:
    """``amount_minor * part / whole`` rounded half up; 0 when there is no whole."""
    if whole == 0:
        return 0
    return (2 * amount_minor * part + whole) // (2 * whole)


_DECIMALS: Final = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217 exponents that are not 2."""


def amount_text(amount_minor: int, currency: str) -> str:
    """An amount for people to read: ``12.50 EUR``."""
    decimals = _DECIMALS.get(currency, 2)
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(decimals + 1, "0")
    if decimals == 0:
        return f"{sign}{digits} {currency}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]} {currency}"
