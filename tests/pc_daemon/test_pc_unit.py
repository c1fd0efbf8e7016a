"""The agent's unit and what the agent needs of it: settings, memory, files it must replace."""

import os
import pwd
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from controller.commands_pc import DEFAULT_CONFIG
from pc_daemon.session_launch import UserSession

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "clubctl-pc.service"


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """Every value of every setting, in their order."""
    values: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            values[name].append(value)
    return values


def test_the_agent_is_told_where_enrolment_wrote(unit: dict[str, list[str]]) -> None:
    assert f"CLUBCTL_PC_CONFIG={DEFAULT_CONFIG}" in unit["Environment"]


def test_a_pc_that_was_only_enrolled_starts(unit: dict[str, list[str]]) -> None:
    assert [file[0] for file in unit["EnvironmentFile"]] == ["-"]


def test_nobody_signs_in_before_the_agent_has_decided(unit: dict[str, list[str]]) -> None:
    assert (unit["Type"], unit["Before"]) == (["notify"], ["systemd-user-sessions.service"])


def test_a_pc_never_gives_up_on_its_agent_and_keeps_its_screen(
    unit: dict[str, list[str]],
) -> None:
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    # What docs/agent.md promises of an agent that hangs.
    assert unit["WatchdogSec"] == ["15"]
    assert unit["KillMode"] == ["process"]


def test_a_new_secret_can_be_written(unit: dict[str, list[str]]) -> None:
    assert unit["ProtectSystem"] == ["full"]
    assert unit["ReadWritePaths"] == [f"-{DEFAULT_CONFIG.parent}"]


def test_the_memory_is_where_the_unit_keeps_it(unit: dict[str, list[str]]) -> None:
    assert f"CLUBCTL_PC_STATE_DIR=%S/{unit['StateDirectory'][0]}" in unit["Environment"]


def test_the_screen_keeps_nothing_of_root_s(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def start(_argv: list[str], **how: Any) -> None:
        started.update(how)
        raise OSError("not started")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(OSError, match="not started"):
        UserSession("nobody")(["id"])
    assert (started["user"], started["extra_groups"]) == ("nobody", [])
    assert started["group"] == pwd.getpwnam("nobody").pw_gid


def test_a_screen_of_nobody_we_know_is_refused() -> None:
    with pytest.raises(ValueError, match="no user"):
        UserSession("nobody-we-know")(["id"])


def test_what_the_agent_starts_has_nothing_to_say_to_the_service_manager() -> None:
    code = (
        "import os, subprocess\n"
        "from pc_daemon.watchdog import service_manager\n"
        "print(service_manager(os.environ).word_every_s)\n"
        "subprocess.run(['env'])\n"
    )
    told = {"NOTIFY_SOCKET": "@nobody", "WATCHDOG_USEC": "3000000"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "1.0" in done.stdout.splitlines()
    assert not [name for name in told if name in done.stdout]
