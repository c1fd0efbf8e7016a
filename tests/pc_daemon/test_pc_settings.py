"""Settings and clocks of a PC, and the agent as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from brokers_under_test import Listener, MosquittoUnderTest, eventually
from pydantic import ValidationError

from pc_daemon.clock import ClockAnchor, ScaledClock, SystemClock, clock_for
from pc_daemon.lockers import LockerKind
from pc_daemon.main import link_settings
from pc_daemon.settings import CONFIG_VARIABLE, AgentSettings, LastResortKind
from schemas.codec import decode, encode
from schemas.device import Birth, CoverageLease, DesiredDocument, PcMode, PresenceReason
from schemas.link_port import MqttLink, Outgoing
from schemas.topics import DownLeaf, UpLeaf, club_up_filter, parse_pc_topic, pc_topic


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("CLUBCTL_"):
            monkeypatch.delenv(name)


def test_settings_come_from_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pc.toml"
    file.write_text(
        'club_id = "berlin"\npc_id = "pc1"\nlocker = "exec"\nlocker_command = ["screen", "-x"]\n'
    )
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.setenv("CLUBCTL_PC_PC_ID", "pc2")

    settings = AgentSettings()  # type: ignore[call-arg]

    assert (settings.club_id, settings.pc_id) == ("berlin", "pc2")
    assert settings.locker is LockerKind.EXEC
    assert settings.locker_command == ("screen", "-x")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pc_id": "a/b"}, "pc_id"),
        ({"mqtt_url": "http://broker"}, "mqtt_url"),
        ({"locker": "paper"}, "locker"),
        ({"heartbeat_s": 0}, "heartbeat_s"),
        ({"colour": "red"}, "colour"),
        ({"env": "production", "locker": "tk"}, "mqtts://"),
        ({"env": "production", "mqtt_url": "mqtts://b"}, "keys_file must name"),
        ({"env": "production", "mqtt_url": "mqtts://b", "keys_file": "k"}, "locker must lock"),
        (
            {"env": "production", "mqtt_url": "mqtts://b", "keys_file": "k", "locker": "tk"},
            "CLUBCTL_PC_SESSION_USER",
        ),
        ({"last_resort": "command"}, "last_resort_command"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        AgentSettings.model_validate({"club_id": "berlin", "pc_id": "pc1"} | changes)


@pytest.mark.parametrize(
    ("changes", "resort"),
    [
        ({}, LastResortKind.NONE),
        ({"last_resort": "end-session"}, LastResortKind.END_SESSION),
        ({"env": "production", "session_user": "screen"}, LastResortKind.END_SESSION),
        ({"env": "production", "allow_killable_screen": True}, LastResortKind.END_SESSION),
        (
            {"env": "production", "session_user": "screen", "last_resort": "none"},
            LastResortKind.NONE,
        ),
    ],
)
def test_nobodys_session_is_ended_unless_production_or_somebody_says_so(
    changes: dict[str, object], resort: LastResortKind
) -> None:
    settings = AgentSettings.model_validate(
        {
            "club_id": "berlin",
            "pc_id": "pc1",
            "locker": "tk",
            "mqtt_url": "mqtts://b",
            "keys_file": "k",
        }
        | changes
    )
    assert settings.resort is resort


def test_secrets_do_not_show_and_reach_the_link() -> None:
    settings = AgentSettings.model_validate(
        {
            "club_id": "berlin",
            "pc_id": "pc1",
            "mqtt_url": "mqtts://mq.example",
            "mqtt_username": "pc1",
            "mqtt_password": "hunter2",
        }
    )
    link = link_settings(settings)
    assert "hunter2" not in repr(settings) + repr(link)
    assert link.credentials is not None
    assert link.credentials.password == "hunter2"
    assert link.tls is not None
    assert (link.port, link.client_id) == (8883, "berlin.pc1")


def test_business_time_runs_at_its_speed_and_alike_in_every_process() -> None:
    anchor = ClockAnchor(
        business_at_ms=2_000_000_000_000, real_at_ms=time.time_ns() // 1_000_000, speed=1_000.0
    )
    one, other = ScaledClock(anchor), ScaledClock(anchor)
    before, real_before_s = one.now(), one.real_s()
    time.sleep(0.1)
    after, real_after_s = other.now(), other.real_s()

    assert 100_000 <= after.wall_ms - before.wall_ms < 5_000_000
    assert 99_000 <= after.boot_ms - before.boot_ms < 5_000_000
    assert 0.1 <= real_after_s - real_before_s < 5
    assert before.wall_ms >= anchor.business_at_ms


def test_a_clock_without_an_anchor_is_the_machines_own() -> None:
    clock = clock_for(None)
    assert isinstance(clock, SystemClock)
    assert abs(clock.now().wall_ms - time.time_ns() // 1_000_000) < 5_000
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(ClockAnchor(0, 0, 0.0))


PROGRAM = """
from pc_daemon.main import run_agent
from pc_daemon.settings import AgentSettings
run_agent(AgentSettings())
"""


class AgentProcess:
    """The real agent: file journal, real broker, its own process."""

    def __init__(self, broker: MosquittoUnderTest, folder: Path) -> None:
        self._env = os.environ | {
            "CLUBCTL_PC_CLUB_ID": "berlin",
            "CLUBCTL_PC_PC_ID": "pc1",
            "CLUBCTL_PC_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
            "CLUBCTL_PC_STATE_DIR": str(folder / "pc"),
            "CLUBCTL_PC_HEARTBEAT_S": "0.2",
        }
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._running = subprocess.Popen([sys.executable, "-c", PROGRAM], env=self._env)

    def end(self, number: signal.Signals) -> int:
        running, self._running = self._running, None
        if running is None:
            return 0
        running.send_signal(number)
        return running.wait(10)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


@pytest.fixture
def agent(broker: MosquittoUnderTest, tmp_path: Path) -> Iterator[AgentProcess]:
    process = AgentProcess(broker, tmp_path)
    yield process
    process.end(signal.SIGKILL)


def births(heard: Listener) -> list[Birth]:
    found = []
    for topic, payload, _ in heard.messages:
        address = parse_pc_topic(topic)
        if address is not None and address.leaf is UpLeaf.BIRTH:
            message = decode(address.leaf, payload)
            assert isinstance(message, Birth)
            found.append(message)
    return found


def said(heard: Listener, word: PresenceReason) -> bool:
    return any(word.encode() in payload for payload in heard.payloads)


def unlock(link: MqttLink) -> None:
    now_ms = time.time_ns() // 1_000_000
    granted = CoverageLease(
        lease_id="s1",
        pc_id="pc1",
        session_id="s1",
        seq=1,
        epoch=1,
        issued_at_ms=now_ms,
        duration_ms=600_000,
        hard_stop_at_ms=now_ms + 600_000,
    )
    document = DesiredDocument(epoch=1, rev=1, mode=PcMode.UNLOCKED, session_id="s1", lease=granted)
    topic = pc_topic("berlin", "pc1", DownLeaf.DESIRED)
    link.publish(Outgoing(topic, encode(document), retain=True))


@pytest.mark.integration
async def test_an_agent_killed_in_the_middle_of_a_session_goes_on_with_it(
    broker: MosquittoUnderTest, agent: AgentProcess
) -> None:
    link, heard = await broker.up("controller", club_up_filter("berlin"))
    agent.start()
    await eventually(lambda: births(heard), timeout_s=20)
    unlock(link)
    await eventually(lambda: any(b'"UNLOCKED"' in payload for payload in heard.payloads))

    agent.end(signal.SIGKILL)
    agent.start()
    await eventually(lambda: len(births(heard)) == 2, timeout_s=20)

    first, second = births(heard)
    assert (first.mode, second.mode) == (PcMode.LOCKED, PcMode.UNLOCKED)
    assert second.connection_epoch > first.connection_epoch
    assert second.boot_id == first.boot_id
    assert second.unsent_usage_count == 1
    assert agent.end(signal.SIGTERM) == 0
    await eventually(lambda: said(heard, PresenceReason.AGENT_STOPPED))
