"""The demo as a sceptic runs it: one command, real processes, and the books at the end."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


def demo(*arguments: str) -> tuple[int, dict[str, object], str]:
    """Run it headless; its exit code, its JSON, and what it said on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "demo", "--headless", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def assert_nothing_lost(summary: dict[str, object]) -> None:
    """What must hold whatever happened meanwhile."""
    assert summary["problems"] == []
    assert summary["verify"] == {"ok": True, "rows": 0}
    assert summary["wallet_mismatches"] == 0
    assert summary["lost_minutes"] == 0
    assert summary["doubled_minutes"] == 0
    assert set(summary["ledger_sum"].values()) == {0}  # type: ignore[attr-defined]


def test_an_hour_of_two_clubs_adds_up() -> None:
    code, summary, said = demo("--pcs", "12", "--speed", "90", "--seconds", "25")
    assert_nothing_lost(summary)
    assert code == 0, said
    assert summary["pcs"] == 12
    assert summary["sessions_started"] > 8  # type: ignore[operator]
    assert summary["sessions_ended"] >= summary["sessions_started"]  # type: ignore[operator]
    assert summary["ticks"] > 50  # type: ignore[operator]
    assert summary["not_responding"] == 0


def test_hosts_killed_every_few_seconds_lose_and_double_nothing() -> None:
    code, summary, said = demo(
        "--pcs", "12", "--speed", "60", "--seconds", "30", "--chaos", "kill-host"
    )
    assert_nothing_lost(summary)
    assert code == 0, said
    hosts = summary["hosts"]
    assert isinstance(hosts, list)
    assert {host["name"].rpartition("-")[2] for host in hosts} == {"h0", "h1"}
    assert sum(host["kills"] for host in hosts) >= 3
    assert sum(host["incarnations"] for host in hosts) > 2


def test_servers_restarted_one_after_another_lose_and_double_nothing() -> None:
    code, summary, said = demo("--pcs", "12", "--speed", "60", "--seconds", "40", "--chaos", "all")
    assert_nothing_lost(summary)
    assert code == 0, said
    assert set(summary["faults"]) == {  # type: ignore[call-overload]
        "kill-host",
        "restart-redis",
        "restart-broker",
        "restart-api",
    }
