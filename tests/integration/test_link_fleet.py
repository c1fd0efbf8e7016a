"""A fleet of real agents on a real broker: unplugged, powered off, commanded over a pipe."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from brokers_under_test import Listener, MosquittoUnderTest, eventually

from pc_daemon.fleet import FleetSettings, FleetSimulator, UnknownPc, obey
from schemas.codec import decode, encode
from schemas.deliveries import WILL_DELAY_S
from schemas.device import (
    CoverageLease,
    DesiredDocument,
    PcMode,
    Presence,
    PresenceReason,
)
from schemas.link_port import MqttLink, Outgoing
from schemas.topics import DownLeaf, UpLeaf, club_up_filter, parse_pc_topic, pc_topic

pytestmark = pytest.mark.integration

PCS = tuple((f"club{number % 2}", f"pc{number}") for number in range(20))
KEEPALIVE_S = 4


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


def fleet_settings(broker: MosquittoUnderTest, **changes: object) -> FleetSettings:
    values: dict[str, object] = {
        "pcs": PCS,
        "heartbeat_s": 0.2,
        "keepalive_s": KEEPALIVE_S,
        **changes,
    }
    return FleetSettings(f"mqtt://127.0.0.1:{broker.port}", **values)  # type: ignore[arg-type]


@pytest.fixture
async def fleet(broker: MosquittoUnderTest) -> AsyncIterator[FleetSimulator]:
    simulator = FleetSimulator(fleet_settings(broker))
    await simulator.start()
    await eventually(lambda: simulator.counts().connected == len(PCS))
    yield simulator
    await simulator.stop()


async def controller(broker: MosquittoUnderTest) -> tuple[MqttLink, Listener]:
    return await broker.up("controller", club_up_filter("club0"), club_up_filter("club1"))


def last_presence(heard: Listener, pc_id: str) -> Presence | None:
    for topic, payload, _ in reversed(heard.messages):
        address = parse_pc_topic(topic)
        if address is not None and (address.pc_id, address.leaf) == (pc_id, UpLeaf.PRESENCE):
            message = decode(address.leaf, payload)
            assert isinstance(message, Presence)
            return message
    return None


def beats(heard: Listener, pc_id: str) -> int:
    wanted = f"/{pc_id}/up/{UpLeaf.HEARTBEAT}"
    return sum(topic.endswith(wanted) for topic, _, _ in heard.messages)


def unlocking(pc_id: str, wall_ms: int, minutes: int) -> bytes:
    duration_ms = minutes * 60_000
    granted = CoverageLease(
        lease_id="s1",
        pc_id=pc_id,
        session_id="s1",
        seq=1,
        epoch=1,
        issued_at_ms=wall_ms,
        duration_ms=duration_ms,
        hard_stop_at_ms=wall_ms + duration_ms,
    )
    return encode(
        DesiredDocument(epoch=1, rev=1, mode=PcMode.UNLOCKED, session_id="s1", lease=granted)
    )


async def test_every_pc_beats_and_obeys_its_own_document(
    broker: MosquittoUnderTest, fleet: FleetSimulator
) -> None:
    link, heard = await controller(broker)
    document = unlocking("pc3", time.time_ns() // 1_000_000, minutes=5)
    link.publish(Outgoing(pc_topic("club1", "pc3", DownLeaf.DESIRED), document, retain=True))

    await eventually(lambda: fleet.counts().unlocked == 1)
    await eventually(lambda: all(beats(heard, pc_id) >= 2 for _, pc_id in PCS))

    state = fleet.state_of("club1/pc3")
    assert state is not None
    assert state.mode is PcMode.UNLOCKED


async def test_an_unplugged_pc_is_missed_plays_on_alone_and_comes_back(
    broker: MosquittoUnderTest, fleet: FleetSimulator
) -> None:
    link, heard = await controller(broker)
    document = unlocking("pc4", time.time_ns() // 1_000_000, minutes=5)
    link.publish(Outgoing(pc_topic("club0", "pc4", DownLeaf.DESIRED), document, retain=True))
    await eventually(lambda: fleet.counts().unlocked == 1)

    pulled_at_s = time.monotonic()
    await fleet.unplug("pc4")
    silent_since = beats(heard, "pc4")
    await eventually(
        lambda: (
            (presence := last_presence(heard, "pc4")) is not None
            and presence.reason is PresenceReason.CONNECTION_LOST
        ),
        timeout_s=60,
    )
    # The broker finds out by the keepalive, and then waits as long as the will says.
    assert time.monotonic() - pulled_at_s > WILL_DELAY_S + KEEPALIVE_S / 2
    assert beats(heard, "pc4") - silent_since <= 1
    assert (fleet.counts().unplugged, fleet.counts().unlocked) == (1, 1)

    await fleet.plug("pc4")
    await eventually(lambda: fleet.counts().connected == len(PCS))
    await eventually(
        lambda: (
            (presence := last_presence(heard, "pc4")) is not None
            and presence.reason is PresenceReason.CONNECTED
        )
    )


async def test_a_frozen_pc_takes_in_afterwards_what_it_was_sent_meanwhile(
    broker: MosquittoUnderTest, fleet: FleetSimulator
) -> None:
    link, heard = await controller(broker)
    await fleet.freeze("pc6")
    document = unlocking("pc6", time.time_ns() // 1_000_000, minutes=5)
    link.publish(Outgoing(pc_topic("club0", "pc6", DownLeaf.DESIRED), document))
    assert await link.flush(10)
    seen = beats(heard, "pc7")
    await eventually(lambda: beats(heard, "pc7") >= seen + 3)
    assert fleet.counts().unlocked == 0

    await fleet.unplug("pc6")
    await fleet.plug("pc6")
    assert fleet.counts().connected == len(PCS) - 1
    await fleet.thaw("pc6")
    await eventually(lambda: fleet.counts().unlocked == 1)


async def test_a_power_cut_loses_no_session_and_boots_under_another_boot_id(
    broker: MosquittoUnderTest, fleet: FleetSimulator
) -> None:
    link, _ = await controller(broker)
    document = unlocking("pc5", time.time_ns() // 1_000_000, minutes=5)
    link.publish(Outgoing(pc_topic("club1", "pc5", DownLeaf.DESIRED), document, retain=True))
    await eventually(lambda: fleet.counts().unlocked == 1)
    before = fleet.state_of("pc5")
    assert before is not None

    await fleet.cut("pc5")
    assert fleet.state_of("pc5") is None
    assert fleet.counts().off == 1
    await fleet.boot("pc5")

    after = fleet.state_of("pc5")
    assert after is not None
    assert after.mode is PcMode.UNLOCKED
    assert after.identity.boot_id != before.identity.boot_id


async def test_a_restarted_broker_gets_the_whole_fleet_back(
    broker: MosquittoUnderTest, fleet: FleetSimulator
) -> None:
    await broker.stop()
    await eventually(lambda: fleet.counts().connected == 0)
    await broker.start()

    await eventually(lambda: fleet.counts().connected == len(PCS), timeout_s=20)
    _, heard = await controller(broker)
    await eventually(lambda: all(beats(heard, pc_id) for _, pc_id in PCS))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("unplug nobody", "nobody: 0 PCs of that name"),
        ("unplug club0/pc1", "club0/pc1: 0 PCs of that name"),
        ("explode pc1", "expected: status"),
        ("unplug", "expected: status"),
        ("", "expected: status"),
    ],
)
async def test_a_bad_command_is_answered_and_changes_nothing(
    fleet: FleetSimulator, line: str, error: str
) -> None:
    before = fleet.counts()
    answer = await obey(fleet, line)
    assert answer["ok"] is False
    assert error in str(answer["error"])
    assert fleet.counts() == before


async def test_an_ambiguous_name_needs_its_club(broker: MosquittoUnderTest) -> None:
    simulator = FleetSimulator(fleet_settings(broker, pcs=(("a", "pc1"), ("b", "pc1"))))
    with pytest.raises(UnknownPc, match="2 PCs"):
        await simulator.unplug("pc1")
    await simulator.unplug("b/pc1")
    assert simulator.counts().unplugged == 1


PROGRAM = """
import sys
from pc_daemon.clock import ClockAnchor
from pc_daemon.fleet import FleetSettings, run_fleet
url, now = sys.argv[1], int(sys.argv[2])
pcs = tuple(("club0", f"pc{n}") for n in range(5))
run_fleet(FleetSettings(url, pcs, anchor=ClockAnchor(now, now, 60.0), heartbeat_s=0.2))
"""


@pytest.mark.parametrize("ending", ["eof", "sigterm"])
async def test_a_fleet_process_obeys_its_input_and_ends(
    broker: MosquittoUnderTest, ending: str
) -> None:
    _, heard = await controller(broker)
    now_ms = time.time_ns() // 1_000_000
    argv = ["-c", PROGRAM, f"mqtt://127.0.0.1:{broker.port}", str(now_ms)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline()) == {"event": "started", "pcs": 5}
    await eventually(lambda: beats(heard, "pc4"))

    process.stdin.write(b"unplug pc4\nstatus\nnonsense\n")
    answers = [json.loads(await process.stdout.readline()) for _ in range(3)]
    assert answers[0] == {"ok": True, "command": "unplug", "pc": "pc4"}
    assert answers[1]["unplugged"] == 1
    assert answers[2]["ok"] is False

    if ending == "eof":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    await eventually(
        lambda: (
            (presence := last_presence(heard, "pc0")) is not None
            and presence.reason is PresenceReason.SHUTDOWN
        )
    )
    process.stdin.close()
