"""The word to the service manager, over a real datagram socket and from a real agent."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pc_daemon.watchdog import ALIVE, READY, STOPPING, ServiceManager, service_manager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(address)
        heard.settimeout(30)
        yield heard, address


def test_an_agent_says_that_it_is_ready_alive_and_stopping(
    manager: tuple[socket.socket, str], tmp_path: Path
) -> None:
    heard, address = manager
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "600000",
        "CLUBCTL_PC_CLUB_ID": "north",
        "CLUBCTL_PC_PC_ID": "pc-1",
        "CLUBCTL_PC_MQTT_URL": "mqtt://127.0.0.1:9",
        "CLUBCTL_PC_STATE_DIR": str(tmp_path / "state"),
    }
    argv = [sys.executable, "-m", "controller.cli", "pc"]
    agent = subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert [heard.recv(64) for _ in range(3)] == [READY, ALIVE, ALIVE]
        agent.send_signal(signal.SIGTERM)
        words = [heard.recv(64)]
        while words[-1] != STOPPING:
            words.append(heard.recv(64))
        assert agent.wait(30) == 0
    finally:
        agent.kill()
        agent.wait()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ServiceManager()),
        ({"NOTIFY_SOCKET": "/run/n"}, ServiceManager("/run/n")),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "9000000"}, ServiceManager("/run/n", 3.0)),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, ServiceManager("/run/n")),
        (
            {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "1"},
            ServiceManager("/run/n"),
        ),
        ({"WATCHDOG_USEC": "9000000"}, ServiceManager()),
    ],
)
def test_who_listens_is_in_the_environment(
    environment: dict[str, str], expected: ServiceManager
) -> None:
    assert service_manager(environment) == expected


def test_a_manager_that_went_away_is_nobodys_problem(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "gone"), 1.0).say(ALIVE)
    ServiceManager().say(ALIVE)
