"""The demo leaves nothing behind, however it ends, and goes on where it stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from controller.demo.command import forget
from controller.embedded.state import free_port

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

START_TIMEOUT_S = 120
END_TIMEOUT_S = 40


class Demo:
    """A demo in a process group of its own, with its state in ``state``."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = free_port()
        self.log = state.parent / f"demo-{self.port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "controller.cli", "demo", "--state", str(state)),
                    *("--port", str(self.port), "--pcs", "6", "--speed", "30"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def get(self, path: str) -> dict[str, object]:
        """A query of the API with the demo's key."""
        key = (self.state / "api-key").read_text().strip()
        request = Request(  # a loopback URL of our own
            f"http://127.0.0.1:{self.port}/api/v1{path}", headers={"Authorization": f"Bearer {key}"}
        )
        with urlopen(request, timeout=5) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def seated(self) -> dict[str, str]:
        """PC -> session of both clubs; nobody while the hall does not answer."""
        sessions: dict[str, str] = {}
        try:
            for club in ("kreuzberg", "almaty"):
                for tile in self.get(f"/clubs/{club}/hall")["tiles"]:  # type: ignore[attr-defined]
                    if tile["sessionId"]:
                        sessions[tile["pcId"]] = tile["sessionId"]
        except OSError:
            return {}
        return sessions

    def until_seated(self, count: int) -> dict[str, str]:
        """Wait until so many people play."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            assert self.process.poll() is None, self.log.read_text()
            seated = self.seated()
            if len(seated) >= count:
                return seated
            time.sleep(0.5)
        raise AssertionError(self.log.read_text())


def processes_of(state: Path) -> set[int]:
    """Processes that were started for this state folder, by what they were started with."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(state) in told:
            found.add(int(folder.name))
    return found


def until_gone(state: Path) -> None:
    """Fail unless every process of the state folder ends."""
    deadline_s = time.monotonic() + END_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if not processes_of(state):
            return
        time.sleep(0.2)
    left = [Path(f"/proc/{pid}/cmdline").read_bytes()[:200] for pid in processes_of(state)]
    raise AssertionError(f"left behind: {left}")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose processes are ended whatever the test does."""
    folder = tmp_path / "demo"
    yield folder
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)


def test_ctrl_c_leaves_nothing_and_the_next_start_goes_on(state: Path) -> None:
    first = Demo(state)
    before = first.until_seated(2)
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(END_TIMEOUT_S) == 0
    until_gone(state)
    left = shutil.copytree(state, state.parent / "left")
    forget(left)
    assert {entry.name for entry in left.iterdir()} == {"lock"}

    second = Demo(state)
    after = second.until_seated(1)
    known = {second.get(f"/sessions/{session}")["status"] for session in before.values()}
    assert known <= {"STARTED", "ENDED", "PENDING", "ACTIVE", "CANCELLED"}
    assert after
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(END_TIMEOUT_S) == 0
    until_gone(state)


def test_a_killed_demo_takes_its_children_with_it(state: Path) -> None:
    demo = Demo(state)
    demo.until_seated(1)
    demo.process.kill()
    demo.process.wait(END_TIMEOUT_S)
    until_gone(state)


def test_a_second_demo_in_the_same_folder_is_refused_in_words(state: Path) -> None:
    demo = Demo(state)
    demo.until_seated(1)
    refused = subprocess.run(
        [
            *(sys.executable, "-m", "controller.cli", "demo", "--state", str(state)),
            *("--port", str(free_port())),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert "another clubctl uses" in refused.stdout
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(END_TIMEOUT_S) == 0
