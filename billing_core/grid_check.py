"""Contradictions of a whole grid: what is never sold, never usable, or has hours without a price.

A schedule is looked at over a year from a given instant, edge by edge, so holidays and date
ranges count.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from billing_core.grid import TariffGrid
from billing_core.money import MS_PER_DAY
from billing_core.pricing import Run, piece_at
from billing_core.tariff import BOUGHT_FIRST, Tariff, TariffStatus
from billing_core.tariff_check import Finding, Severity, check_tariff
from billing_core.window import (
    Schedule,
    UnknownTimezoneError,
    is_open,
    next_edge_ms,
    open_until_ms,
    zone_of,
)

YEAR_MS: Final = 366 * MS_PER_DAY
NO_ZONE: Final = "(any other zone)"


def check_grid(grid: TariffGrid, from_ms: int) -> list[Finding]:
    """All findings over the year from ``from_ms``. With errors in values, only those."""
    findings = _check_club(grid) + [
        finding for tariff in grid.tariffs for finding in check_tariff(tariff)
    ]
    if any(finding.severity is Severity.ERROR for finding in findings):
        return findings
    findings += _check_names(grid)
    for tariff in grid.tariffs:
        findings += _check_times(tariff, grid, from_ms)
    return findings


def _check_club(grid: TariffGrid) -> list[Finding]:
    try:
        zone_of(grid.club.timezone)
    except UnknownTimezoneError as error:
        return [Finding(Severity.ERROR, "unknown-timezone", "", "timezone", str(error))]
    return []


def _check_names(grid: TariffGrid) -> list[Finding]:
    findings = []
    seen = set()
    zone_ids = {zone.zone_id for zone in grid.zones}
    for tariff in grid.tariffs:
        if tariff.ref in seen:
            message = f"version {tariff.version} is there twice"
            findings.append(_error("duplicate", tariff, "id", message=message))
        seen.add(tariff.ref)
        if tariff.currency != grid.club.currency:
            message = f"priced in {tariff.currency}, the club in {grid.club.currency}"
            findings.append(_error("other-currency", tariff, "currency", message=message))
        findings += _check_zones(tariff, grid, zone_ids)
    tariff_ids = {tariff.id for tariff in grid.tariffs}
    for index, zone in enumerate(grid.zones):
        named = [*zone.tariff_ids, *([zone.default_tariff_id] if zone.default_tariff_id else [])]
        for tariff_id in named:
            if tariff_id not in tariff_ids:
                field = f"zones[{index}].tariff_ids"
                message = f"zone {zone.zone_id} names a tariff that is not in the grid"
                findings.append(
                    Finding(Severity.ERROR, "unknown-tariff", tariff_id, field, message)
                )
    return findings


def _check_zones(tariff: Tariff, grid: TariffGrid, zone_ids: set[str]) -> list[Finding]:
    findings = []
    for index, rule in enumerate(tariff.prices):
        unknown = [zone_id for zone_id in rule.zones if zone_ids and zone_id not in zone_ids]
        if unknown:
            message = f"no such zone: {', '.join(unknown)}"
            findings.append(
                _error("unknown-zone", tariff, f"prices[{index}].zones", message=message)
            )
    if grid.zones and not any(zone.sells(tariff.id) for zone in grid.zones):
        findings.append(_warning("in-no-zone", tariff, "id", message="no zone offers it"))
    return findings


def _check_times(tariff: Tariff, grid: TariffGrid, from_ms: int) -> list[Finding]:
    if tariff.status is not TariffStatus.ACTIVE:
        return []
    timezone = grid.club.timezone
    findings = []
    if not _ever_open(tariff.sales.when, timezone, from_ms):
        message = "its sales windows do not open within a year"
        findings.append(_error("never-sellable", tariff, "sales.when", message=message))
    if not _ever_open(tariff.usage.start, timezone, from_ms):
        message = "its start schedule does not open within a year"
        findings.append(_error("never-usable", tariff, "usage.start", message=message))
        return findings
    if tariff.type not in BOUGHT_FIRST and not _meet(
        (tariff.sales.when, tariff.usage.start), timezone, from_ms
    ):
        message = "it is paid when it starts, but never on sale while it may start"
        findings.append(_error("never-usable", tariff, "sales.when", message=message))
    if tariff.prices:
        findings += _check_prices(tariff, grid, from_ms)
    return findings


def _check_prices(tariff: Tariff, grid: TariffGrid, from_ms: int) -> list[Finding]:
    findings = []
    usable_anywhere = False
    matched: set[int] = set()
    for zone_id in _zones_of(tariff, grid):
        for groups in _groups_of(tariff):
            run = Run(tariff, grid.club.timezone, zone_id, groups, from_ms)
            gap_ms, seen = _first_gap(run, tariff, from_ms)
            matched |= seen
            usable_anywhere = usable_anywhere or bool(seen)
            if gap_ms is not None and seen and not groups:
                message = f"no price in zone {zone_id} at {_local(gap_ms, grid)} and such times"
                findings.append(_warning("uncovered-window", tariff, "prices", message=message))
    if not usable_anywhere:
        message = "no price rule matches while it may start"
        return [_error("never-usable", tariff, "prices", message=message)]
    for index, rule in enumerate(tariff.prices):
        if index not in matched:
            message = f"rule {rule.name} never applies: earlier rules or the schedule exclude it"
            findings.append(
                _warning("rule-never-applies", tariff, f"prices[{index}]", message=message)
            )
    return findings


def _zones_of(tariff: Tariff, grid: TariffGrid) -> list[str]:
    offered = [zone.zone_id for zone in grid.zones if zone.sells(tariff.id)]
    if offered:
        return offered
    named = {zone_id for rule in tariff.prices for zone_id in rule.zones}
    has_general = any(not rule.zones for rule in tariff.prices)
    return sorted(named) + ([NO_ZONE] if has_general else [])


def _groups_of(tariff: Tariff) -> list[tuple[str, ...]]:
    named = {group for rule in tariff.prices for group in rule.groups}
    return [(), *((group,) for group in sorted(named))]


def _first_gap(run: Run, tariff: Tariff, from_ms: int) -> tuple[int | None, set[int]]:
    """(first startable instant without a price, rules that apply at some startable instant)."""
    gap_ms: int | None = None
    matched: set[int] = set()
    schedules = [tariff.usage.start, *(rule.when for rule in tariff.prices)]
    for at_ms in _edges(schedules, run.timezone, from_ms):
        if not is_open(tariff.usage.start, run.timezone, at_ms):
            continue
        asked = Run(tariff, run.timezone, run.zone_id, run.groups, at_ms)
        piece = piece_at(asked, at_ms)
        if piece is not None:
            matched.add(piece.rule_index)
        elif gap_ms is None:
            gap_ms = at_ms
    return gap_ms, matched


def _edges(schedules: list[Schedule], timezone: str, from_ms: int) -> Iterator[int]:
    """Every instant within a year at which any of the schedules may change, and the first."""
    at_ms = from_ms
    while at_ms < from_ms + YEAR_MS:
        yield at_ms
        edges = [next_edge_ms(schedule, timezone, at_ms) for schedule in schedules]
        known = [edge for edge in edges if edge is not None]
        if not known:
            return
        at_ms = min(known)


def _ever_open(schedule: Schedule, timezone: str, from_ms: int) -> bool:
    return _meet((schedule,), timezone, from_ms)


def _meet(schedules: tuple[Schedule, ...], timezone: str, from_ms: int) -> bool:
    """Whether all schedules are open at one instant within a year."""
    step_ms = MS_PER_DAY * 30
    for month_ms in range(from_ms, from_ms + YEAR_MS, step_ms):
        for at_ms in _edges(list(schedules), timezone, month_ms):
            if at_ms >= month_ms + step_ms:
                break
            if all(open_until_ms(one, timezone, at_ms) is not None for one in schedules):
                return True
    return False


def _local(at_ms: int, grid: TariffGrid) -> str:
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(grid.club.timezone))
    return local.strftime("%a %H:%M")


def _error(code: str, tariff: Tariff, field: str, *, message: str) -> Finding:
    return Finding(Severity.ERROR, code, tariff.id, field, message)


def _warning(code: str, tariff: Tariff, field: str, *, message: str) -> Finding:
    return Finding(Severity.WARNING, code, tariff.id, field, message)
