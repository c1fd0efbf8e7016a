"""Tariff files: what is read, what is refused with its field named, what contradicts itself."""

import copy
import tomllib
from typing import Any

import pytest

from billing_core.grid import grid_from_plain
from billing_core.grid_check import check_grid
from billing_core.stored import StoredValueError
from billing_core.tariff import Tier
from billing_core.tariff_check import Severity

NOON = 1_772_449_200_000
SOUND = tomllib.loads("""
timezone = "Europe/Berlin"
currency = "EUR"
zones = [
  { zone_id = "std", tariff_ids = ["std", "night", "pool"], default_tariff_id = "std" },
  { zone_id = "vip" },
]

[[tariffs]]
id = "std"
type = "PER_MINUTE"
prices = [
  { name = "vip", zones = ["vip"], price_per_hour_minor = 18000 },
  { name = "any", tiers = [{ from_minutes = 0, price_per_hour_minor = 12000 }] },
]

[[tariffs]]
id = "night"
type = "FIXED"
price_minor = 20000
block_minutes = 480
sales = { when = "23:00-07:00", channels = ["crm"] }
usage = { start = "23:00-07:00" }

[[tariffs]]
id = "pool"
type = "MULTIPASS"
hours = 10
price_minor = 80000
expiration = { days_after_purchase = 30 }
""")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The sound grid with one thing changed: ``tariffs.0.prices.1.tiers``."""
    plain = copy.deepcopy(SOUND)
    *way, last = path.split(".")
    at: Any = plain
    for step in way:
        at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
    if last.isdigit():
        at[int(last)] = value
    else:
        at[last] = value
    return plain


def test_a_sound_grid_has_no_findings() -> None:
    """And short forms mean what the long ones do."""
    grid = grid_from_plain(SOUND)
    assert check_grid(grid, NOON) == []
    vip, anywhere = grid.tariffs[0].prices
    assert vip.tiers == (Tier(0, 18_000),)
    assert anywhere.tiers == (Tier(0, 12_000),)
    assert grid.tariffs[0].name == "std"
    assert grid.zone("vip").sells("night")
    assert not grid.zone("std").sells("nothing")


def test_a_single_tariff_is_a_grid_of_one() -> None:
    """With its time zone beside it."""
    single = {**SOUND["tariffs"][0], "timezone": "UTC", "currency": "EUR"}
    grid = grid_from_plain(single)
    assert [tariff.id for tariff in grid.tariffs] == ["std"]
    assert grid.club.timezone == "UTC"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("tariffs.0.type", "HOURLY", "tariffs[0].type"),
        (
            "tariffs.0.prices.1.tiers",
            [{"from_minutes": "0"}],
            "tariffs[0].prices[1].tiers[0].from_minutes",
        ),
        (
            "tariffs.0.prices.0.price_per_hour_minor",
            1.5,
            "tariffs[0].prices[0].price_per_hour_minor",
        ),
        ("tariffs.0.prices.0.tiers", [], "tariffs[0].prices[0].price_per_hour_minor"),
        ("tariffs.1.usage.start", "23:00-7", "tariffs[1].usage.start[0]"),
        ("tariffs.1.usage.start", 5, "tariffs[1].usage.start"),
        ("tariffs.1.sales.channels", ["post"], "tariffs[1].sales.channels[0]"),
        ("tariffs.1.minimum_minutes", True, "tariffs[1].minimum_minutes"),
        ("tariffs.1.colour", "red", "tariffs[1].colour"),
        ("tariffs.2.expiration.last_day", "soon", "tariffs[2].expiration.last_day"),
        ("tariffs.2.refund", None, "tariffs[2].refund"),
        ("tariffs.2", "pool", "tariffs[2]"),
        ("tariffs", {}, "tariffs"),
        ("zones.0.opening", "noon", "zones[0].opening[0]"),
        ("zones.0.name", "Standard", "zones[0].name"),
        ("club.grace_seconds", "60", "club.grace_seconds"),
        ("colour", "red", "colour"),
        ("timezone", 1, "club.timezone"),
    ],
)
def test_a_wrong_value_is_named_by_its_field(path: str, value: Any, field: str) -> None:
    """The error says where."""
    with pytest.raises(StoredValueError) as caught:
        grid_from_plain(changed(path, value))
    assert caught.value.path == field
    assert str(caught.value).startswith(field)


@pytest.mark.parametrize("name", ["timezone", "currency"])
def test_the_time_zone_and_the_currency_are_never_guessed(name: str) -> None:
    """Missing means an error."""
    plain = {key: value for key, value in SOUND.items() if key != name}
    with pytest.raises(StoredValueError, match=f"^{name}: missing"):
        grid_from_plain(plain)


@pytest.mark.parametrize(
    ("path", "value", "code", "field"),
    [
        ("timezone", "Europe/Nowhere", "unknown-timezone", "timezone"),
        ("tariffs.0.id", "", "empty", "id"),
        ("tariffs.0.currency", "eur", "not-a-currency", "currency"),
        ("tariffs.0.currency", "USD", "other-currency", "currency"),
        ("tariffs.0.billing_step_seconds", 0, "out-of-range", "billing_step_seconds"),
        ("tariffs.0.billing_step_seconds", 86_401, "out-of-range", "billing_step_seconds"),
        ("tariffs.0.bonus_max_percent", 101, "out-of-range", "bonus_max_percent"),
        ("tariffs.0.minimum_minutes", -1, "out-of-range", "minimum_minutes"),
        ("tariffs.0.prices", [], "no-price", "prices"),
        ("tariffs.0.prices.1.tiers", [], "no-price", "prices[1].tiers"),
        ("tariffs.0.prices.1.tiers.0.from_minutes", 5, "tiers-not-from-0", "prices[1].tiers"),
        (
            "tariffs.0.prices.1.tiers",
            [{"from_minutes": 0, "price_per_hour_minor": 1}] * 2,
            "tiers-not-rising",
            "prices[1].tiers",
        ),
        (
            "tariffs.0.prices.1.tiers.0.price_per_hour_minor",
            -1,
            "out-of-range",
            "prices[1].tiers[0].price_per_hour_minor",
        ),
        ("tariffs.0.prices.1.start_fee_minor", -1, "out-of-range", "prices[1].start_fee_minor"),
        ("tariffs.1.block_minutes", None, "no-pool", "block_minutes"),
        ("tariffs.2.hours", None, "no-pool", "hours"),
        ("tariffs.2.sessions", 5, "no-pool", "hours"),
        ("tariffs.2.hours", 0, "out-of-range", "hours"),
        ("tariffs.1.version", 0, "out-of-range", "version"),
        ("tariffs.1.id", "std", "duplicate", "id"),
        ("tariffs.0.prices.0.zones", ["attic"], "unknown-zone", "prices[0].zones"),
        ("zones.0.tariff_ids", ["std", "lost"], "unknown-tariff", "zones[0].tariff_ids"),
        ("tariffs.1.sales.when", "2020-01-01", "never-sellable", "sales.when"),
        ("tariffs.1.usage.start", "2020-01-01", "never-usable", "usage.start"),
        ("tariffs.1.sales.when", "10:00-12:00", "never-usable", "sales.when"),
        (
            "tariffs.1.usage.start",
            {"windows": [{"weekdays": []}]},
            "never-opens",
            "usage.start.windows[0]",
        ),
        (
            "tariffs.1.usage.start",
            {"windows": [{"start_minute": 1440}]},
            "out-of-range",
            "usage.start.windows[0]",
        ),
        (
            "tariffs.1.usage.start",
            {"windows": [{"weekdays": [7]}]},
            "out-of-range",
            "usage.start.windows[0].weekdays",
        ),
    ],
)
def test_an_error_is_found(path: str, value: Any, code: str, field: str) -> None:
    """Each makes the tariff unusable as it is."""
    findings = check_grid(grid_from_plain(changed(path, value)), NOON)
    errors = [(one.code, one.field) for one in findings if one.severity is Severity.ERROR]
    assert (code, field) in errors


def priced(**rule: Any) -> dict[str, Any]:
    """The sound grid whose first tariff has the one rule."""
    return changed("tariffs.0.prices", [{"price_per_hour_minor": 12_000, **rule}])


@pytest.mark.parametrize(
    ("plain", "code"),
    [
        (priced(when="08:00-18:00"), "uncovered-window"),
        (priced(price_per_hour_minor=0), "free"),
        (priced(min_price_minor=0, max_price_minor=0), None),
        (changed("tariffs.0.prices.0.zones", []), "rule-never-applies"),
        (changed("tariffs.0.usage.completion_minutes", 20), "completion-without-schedule"),
        (changed("tariffs.0.refund", "CASH"), "refund-without-prepayment"),
        (changed("tariffs.0.expiration.days_after_purchase", 3), "expiry-unused"),
        (changed("tariffs.1.minimum_minutes", 481), "minimum-above-block"),
        (changed("tariffs.1.price_minor", 0), "free"),
        (changed("tariffs.1.prices", [{"start_fee_minor": 5}]), "fee-on-prepaid"),
        (changed("tariffs.2.expiration", {}), "never-expires"),
        (changed("tariffs.2.expiration.after_hours", 11), "expiry-unreachable"),
        (changed("zones", [{"zone_id": "std", "tariff_ids": ["std", "night"]}]), "in-no-zone"),
    ],
)
def test_a_doubtful_thing_is_a_warning(plain: dict[str, Any], code: str | None) -> None:
    """It works, and is probably not what was meant."""
    findings = check_grid(grid_from_plain(plain), NOON)
    warnings = {one.code for one in findings if one.severity is Severity.WARNING}
    assert warnings == ({code} if code else set()) or code in warnings


def test_what_rests_is_not_checked_against_the_calendar() -> None:
    """A seasonal draft may be out of season."""
    plain = changed("tariffs.1.sales.when", "2020-01-01")
    plain["tariffs"][1]["status"] = "INACTIVE"
    assert check_grid(grid_from_plain(plain), NOON) == []
