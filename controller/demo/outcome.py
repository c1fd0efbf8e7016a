"""What a headless run comes to: the figures, and whether everything adds up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from controller.archive import ArchiveConsumer, open_archive
from controller.demo.figures import sums_by_currency
from controller.demo.minutes import MinuteCheck, check_minutes
from controller.demo.plan import CHAIN_ID
from controller.demo.run import RunningDemo
from controller.verify import Report, verify

ROWS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a finished run; ``problems`` are the reasons why it does not add up."""

    figures: Mapping[str, Any]
    problems: tuple[str, ...]

    @property
    def adds_up(self) -> bool:
        """Nothing was lost, nothing doubled, and every check agrees."""
        return not self.problems

    def document(self) -> dict[str, Any]:
        """One JSON object."""
        return {**self.figures, "problems": list(self.problems)}


async def summed_up(demo: RunningDemo, *, halls_empty: bool) -> Outcome:
    """Stop what writes, check the books, and count."""
    not_responding = demo.pcs_by_link()["NOT_RESPONDING"]
    await demo.look()
    await demo.processes.stop_writers()
    await demo.figures.follow(demo.store)
    report = await _verified(demo)
    minutes = await _minutes(demo)
    sums = await sums_by_currency(demo.store, CHAIN_ID)
    figures = {
        "pcs": len(demo.plan.roster),
        "clubs": len(demo.plan.clubs),
        "players": len(demo.plan.players),
        "speed": demo.options.speed,
        "seconds": demo.options.seconds,
        "sessions_started": demo.figures.sessions_started,
        "sessions_ended": demo.figures.sessions_ended,
        "ticks": demo.figures.steps,
        "lost_minutes": max(demo.figures.lost, minutes.lost),
        "doubled_minutes": max(demo.figures.doubled, minutes.doubled),
        "ledger_sum": sums,
        "revenue_minor": dict(demo.figures.revenue),
        "wallet_mismatches": _wallet_mismatches(report),
        "verify": {"ok": report.ok, "rows": len(report.rows)},
        "not_responding": not_responding,
        "tick_lateness_p50_ms": demo.lateness.quantile_ms(0.5),
        "tick_lateness_p99_ms": demo.lateness.quantile_ms(0.99),
        "hosts": demo.hosts.rows(),
        "faults": _named(demo.faults),
        "commands": _commands(demo),
        "retries": demo.crowd.api.retries,
        "deeds": _named(demo.crowd.deeds),
    }
    return Outcome(figures, tuple(_problems(demo, figures, report, halls_empty=halls_empty)))


async def _verified(demo: RunningDemo) -> Report:
    """Bring the archive up to date, then check it with the store."""
    archive = open_archive(demo.processes.archive_url)
    try:
        await ArchiveConsumer(demo.store, archive, demo.clock).step()
        return await verify(demo.store, archive)
    finally:
        archive.close()


async def _minutes(demo: RunningDemo) -> MinuteCheck:
    closed = await demo.store.closed_sessions(CHAIN_ID)
    tariff_ids = frozenset(club.minute_tariff_id for club in demo.plan.clubs)
    return check_minutes((orjson.loads(each.blob)["state"] for each in closed), tariff_ids)


def _wallet_mismatches(report: Report) -> int:
    return sum(":wallet:" in row.subject for row in report.rows)


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}


def _commands(demo: RunningDemo) -> dict[str, dict[str, int]]:
    by_operation: dict[str, dict[str, int]] = {}
    for (operation, code), count in sorted(demo.crowd.api.outcomes.items()):
        by_operation.setdefault(operation, {})[code] = count
    return by_operation


def _problems(
    demo: RunningDemo, figures: Mapping[str, Any], report: Report, *, halls_empty: bool
) -> list[str]:
    rows = (f"{row.check} {row.subject}: {row.found}" for row in report.rows[:ROWS_SHOWN])
    checks = {
        "the ledger does not sum to zero": any(figures["ledger_sum"].values()),
        f"verify found rows that differ: {'; '.join(rows)}": not report.ok,
        f"{figures['lost_minutes']} minutes were lost": figures["lost_minutes"],
        f"{figures['doubled_minutes']} minutes were charged twice": figures["doubled_minutes"],
        "no session was started": not figures["sessions_started"],
        "sessions were still open at the end": not halls_empty,
        "more sessions started than ended": figures["sessions_started"] > figures["sessions_ended"],
        "an errand of the crowd failed": demo.crowd.deeds["failed"],
        "a command never got an answer": any(
            code == "no-answer" for _, code in demo.crowd.api.outcomes
        ),
    }
    return [problem for problem, holds in checks.items() if holds]
