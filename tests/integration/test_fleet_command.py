"""``clubctl sim fleet --pcs N --profile ...`` as somebody at a terminal runs it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from brokers_under_test import MosquittoUnderTest
from stores_under_test import running_server

pytestmark = pytest.mark.integration

PCS = 200
PATIENCE_S = 60


class Terminal:
    """The command's two streams."""

    def __init__(self, command: "subprocess.Popen[str]") -> None:
        self._command = command

    def ask(self, line: str) -> dict[str, object]:
        assert self._command.stdin is not None
        self._command.stdin.write(line + "\n")
        self._command.stdin.flush()
        return self.read()

    def read(self) -> dict[str, object]:
        assert self._command.stdout is not None
        answer: dict[str, object] = json.loads(self._command.stdout.readline())
        return answer

    def until(self, name: str, least: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while int(str(self.ask("status")[name])) < least:
            assert time.monotonic() < deadline_s, name
            time.sleep(0.2)


def running(arguments: str, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "controller.cli", *arguments.split()],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_a_fleet_on_bad_radio_comes_and_goes_until_its_input_ends(tmp_path: Path) -> None:
    roster = tmp_path / "roster.json"
    roster.write_text(json.dumps([["north", f"pc{number}"] for number in range(2 * PCS)]))
    broker = MosquittoUnderTest(tmp_path)
    await broker.start()
    try:
        with running_server(tmp_path / "store") as store:
            environment = {
                **{name: value for name, value in os.environ.items() if "CLUBCTL_" not in name},
                "CLUBCTL_REDIS_URL": store.url,
                "CLUBCTL_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
            }
            more = running(f"sim fleet --roster {roster} --pcs {2 * PCS + 1}", environment)
            assert more.communicate(timeout=PATIENCE_S)[0] == ""
            assert more.returncode == 2
            arguments = f"sim fleet --roster {roster} --pcs {PCS} --profile wifi --obey"
            with running(arguments, environment) as command:
                terminal = Terminal(command)
                assert terminal.read() == {"event": "started", "pcs": PCS}
                terminal.until("connected", PCS * 9 // 10)
                terminal.until("reconnects", 5)
                assert terminal.ask("cut pc7") == {"ok": True, "command": "cut", "pc": "pc7"}
                assert terminal.ask("status")["off"] == 1
                assert terminal.ask(f"cut pc{PCS}")["ok"] is False
                assert command.stdin is not None
                command.stdin.close()
                assert command.wait(PATIENCE_S) == 0
    finally:
        await broker.aclose()
