"""Embedded servers: same address and data after a crash, nothing left, never in production."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.embedded import (
    ChildFailedError,
    ChildProcess,
    EmbeddedBroker,
    EmbeddedValkey,
    PortTakenError,
    RefusedInProductionError,
    StateFolder,
    StateFolderInUseError,
)
from controller.embedded.state import LOOPBACK, accepts


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFolder]:
    with StateFolder(tmp_path / "state", env="development") as folder:
        yield folder


def ask(port: int, *command: str) -> bytes:
    request = f"*{len(command)}\r\n" + "".join(f"${len(c)}\r\n{c}\r\n" for c in command)
    with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
        connection.sendall(request.encode())
        return connection.recv(4096)


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_valkey_keeps_an_acknowledged_write_and_its_port_over_a_kill(state: StateFolder) -> None:
    valkey = EmbeddedValkey(state)
    valkey.start()
    try:
        assert ask(valkey.port, "SET", "k", "kept") == b"+OK\r\n"
        valkey.kill()
        assert not accepts(valkey.port)
        valkey.start()
        assert ask(valkey.port, "GET", "k") == b"$4\r\nkept\r\n"
    finally:
        valkey.stop()
    again = EmbeddedValkey(state)
    assert again.url == valkey.url


def test_valkey_syncs_every_write_and_never_evicts(state: StateFolder) -> None:
    valkey = EmbeddedValkey(state)
    valkey.start()
    try:
        assert b"always" in ask(valkey.port, "CONFIG", "GET", "appendfsync")
        assert b"noeviction" in ask(valkey.port, "CONFIG", "GET", "maxmemory-policy")
    finally:
        valkey.stop()


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
def test_broker_comes_back_on_its_address(state: StateFolder, kind: str) -> None:
    broker = EmbeddedBroker(state, kind=kind)  # type: ignore[arg-type]
    broker.start()
    try:
        first_pid = broker.child.pid
        assert accepts(broker.port)
        broker.kill()
        broker.start()
        assert accepts(broker.port)
        assert broker.child.pid != first_pid
    finally:
        broker.stop()
    assert not accepts(broker.port)


def test_servers_listen_on_loopback_alone(state: StateFolder) -> None:
    broker = EmbeddedBroker(state)
    broker.start()
    try:
        address = f":{broker.port:04X}"
        listening = [
            fields[1]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if (fields := line.split())[3] == "0A" and fields[1].endswith(address)
        ]
        assert listening == [f"0100007F{address}"]
    finally:
        broker.stop()


def test_a_taken_port_is_an_error_and_the_next_start_finds_another(state: StateFolder) -> None:
    valkey = EmbeddedValkey(state)
    with socket.socket() as stranger:
        stranger.bind((LOOPBACK, valkey.port))
        stranger.listen()
        with pytest.raises(PortTakenError, match=str(valkey.port)):
            valkey.start()
        assert EmbeddedValkey(state).port != valkey.port


def test_production_refuses_embedded_servers(tmp_path: Path) -> None:
    with pytest.raises(RefusedInProductionError, match="CLUBCTL_REDIS_URL"):
        StateFolder(tmp_path, env="production")


def test_a_state_folder_has_one_user(state: StateFolder) -> None:
    with pytest.raises(StateFolderInUseError), StateFolder(state.path, env="development"):
        pass


def test_a_child_that_ends_early_shows_its_last_lines(tmp_path: Path) -> None:
    child = ChildProcess(
        "stubborn",
        [sys.executable, "-c", "print('no disk left'); raise SystemExit(3)"],
        log_file=tmp_path / "log",
        is_ready=lambda: False,
    )
    with pytest.raises(ChildFailedError, match=r"(?s)stubborn ended with code 3.*no disk left"):
        child.start()


def test_a_child_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    child = ChildProcess("slow", ["sleep", "60"], log_file=tmp_path / "log", is_ready=lambda: False)
    with pytest.raises(ChildFailedError, match="not ready within 200 ms"):
        child.start(timeout_ms=200)
    assert not child.is_running


def test_stop_kills_a_child_that_ignores_the_signal(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    program = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    child = ChildProcess(
        "deaf", [sys.executable, "-c", program], log_file=tmp_path / "log", is_ready=ready.exists
    )
    child.start()
    pid = child.pid
    assert pid is not None
    child.stop(timeout_ms=100)
    assert not is_alive(pid)


_PARENT = """
import sys, time
from pathlib import Path
from controller.embedded import EmbeddedBroker, EmbeddedValkey, StateFolder
with StateFolder(Path(sys.argv[1]), env="development") as state:
    valkey, broker = EmbeddedValkey(state), EmbeddedBroker(state)
    valkey.start(); broker.start()
    print(valkey.child.pid, broker.child.pid, flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_after_the_parent_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        os.kill(parent.pid, signal.SIGKILL)
    assert all(gone_within(pid, 5) for pid in pids)
