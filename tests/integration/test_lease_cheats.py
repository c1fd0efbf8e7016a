"""Cheats on real processes: an agent killed, its memory deleted, and somebody who owns the broker.

Here anybody may publish anything, as whoever owns a broker can.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from brokers_under_test import Listener, eventually
from clubs_under_test import CHAIN
from house_under_test import CLUB, STEP_S, AgentProcess, House, running_house, utc_ms
from stack_under_test import until

from actors.signing_keys import load_signing_keys, new_signing_keys, save_signing_keys
from actors.store import ChainStream
from pc_daemon.journal import STATE_FILE, USAGE_FILE
from schemas.codec import decode, encode
from schemas.device import (
    AgentFault,
    CommandOutcome,
    CoverageLease,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandKind,
    DeviceCommandResult,
    Heartbeat,
    PcMode,
    Reported,
)
from schemas.events import published
from schemas.link_port import MqttLink, Outgoing
from schemas.signing import lease_bytes
from schemas.topics import DownLeaf, UpLeaf, parse_pc_topic, pc_topic

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PC, PLAYER, STEPS = "north-main-0", "ann", 10


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path) as running:
        yield running


def heard(listener: Listener, leaf: DownLeaf | UpLeaf) -> list[bytes]:
    found = []
    for topic, payload, _ in listener.messages:
        address = parse_pc_topic(topic)
        if address is not None and (address.pc_id, address.leaf) == (PC, leaf):
            found.append(payload)
    return found


def said(link: MqttLink, leaf: DownLeaf, payload: bytes) -> None:
    link.publish(Outgoing(pc_topic(CLUB, PC, leaf), payload, retain=leaf is DownLeaf.DESIRED))


def newest_report(listener: Listener) -> Reported:
    message = decode(UpLeaf.REPORTED, heard(listener, UpLeaf.REPORTED)[-1])
    assert isinstance(message, Reported)
    return message


async def online(house: House) -> None:
    async def is_online() -> bool:
        return (await house.tile(PC)).get("link") == "ONLINE"

    await until(is_online, what="the PC online")


async def is_told(house: House, reason: str) -> bool:
    """Whether staff heard that the PC is degraded for this reason."""
    entries = await house.store.stream(CHAIN, ChainStream.OUTBOX, count=10_000)
    messages = [published(orjson.loads(entry.payload)) for entry in entries]
    return any(
        one["type"] == "pc_degraded" and reason in one["data"]["reasons"] for one in messages
    )


def forged_document() -> DesiredDocument:
    """Ten hours for nothing, signed by somebody, newer than anything."""
    stranger, now_ms = new_signing_keys().signing, utc_ms()
    lease = CoverageLease(
        lease_id="free",
        chain_id=CHAIN,
        club_id=CLUB,
        pc_id=PC,
        session_id="free",
        seq=2**52,
        epoch=1,
        issued_at_ms=now_ms,
        duration_ms=36_000_000,
        hard_stop_at_ms=now_ms + 36_000_000,
        kid=stranger.kid,
    )
    signed = lease.model_copy(update={"signature": stranger.sign(lease_bytes(lease))})
    return DesiredDocument(
        epoch=2**52, rev=1, mode=PcMode.UNLOCKED, session_id="free", lease=signed
    )


async def test_whoever_owns_the_broker_cannot_open_a_pc_nor_reboot_it(house: House) -> None:
    listener = Listener()
    link = house.broker.link("thief", listener)
    link.subscribe("clubctl/v1/#")
    link.start()
    agent = await house.agent(PC)
    await online(house)

    said(link, DownLeaf.DESIRED, encode(forged_document()))
    await eventually(
        lambda: AgentFault.LEASE_KEY_UNKNOWN in newest_report(listener).errors, timeout_s=20
    )
    await until(lambda: is_told(house, "lease-key-unknown"), what="staff told")
    order = DeviceCommand(cmd_id="c1", kind=DeviceCommandKind.REBOOT, not_after_ms=2**52)
    said(link, DownLeaf.CMD, encode(order))
    await eventually(lambda: heard(listener, UpLeaf.RESULT))

    result = decode(UpLeaf.RESULT, heard(listener, UpLeaf.RESULT)[-1])
    assert isinstance(result, DeviceCommandResult)
    assert result.outcome is CommandOutcome.REFUSED
    assert not agent.is_open
    assert agent.running is not None
    assert agent.running.poll() is None
    # And the club goes on: what the controller says is obeyed as ever.
    await house.play(PLAYER, PC, steps=STEPS)
    await eventually(lambda: agent.is_open)


async def test_an_agent_killed_again_and_again_wins_nothing(house: House) -> None:
    agent = await house.agent(PC)
    await online(house)
    session_id = await house.play(PLAYER, PC, steps=STEPS)
    await eventually(lambda: agent.is_open)
    session = await house.session(session_id)
    start_ms = session["actual_start_at_ms"]
    assert isinstance(start_ms, int)
    end_ms = start_ms + STEPS * STEP_S * 1_000
    await agent.cable.cut()
    while utc_ms() < end_ms - 4_000:
        agent.kill()
        agent.start()
        await asyncio.sleep(3)
    await asyncio.sleep((end_ms + 2_000 - utc_ms()) / 1_000)

    locked_at_ms = agent.locked_at_ms()
    assert locked_at_ms is not None
    assert abs(locked_at_ms - end_ms) <= 2_000
    assert not agent.is_open


async def test_without_its_memory_and_the_controller_a_pc_opens_for_no_old_lease(
    house: House,
) -> None:
    listener = Listener()
    link = house.broker.link("thief", listener)
    link.subscribe("clubctl/v1/#")
    link.start()
    agent = await house.agent(PC)
    await online(house)
    await house.play(PLAYER, PC, steps=4 * STEPS)
    await eventually(lambda: agent.is_open)

    def opening() -> list[bytes]:
        return [one for one in heard(listener, DownLeaf.DESIRED) if b'"UNLOCKED"' in one]

    await eventually(opening)
    opened = opening()[-1]
    await house.command(kind="end_session", session_id=f"ses-{PLAYER}")
    await eventually(lambda: not agent.is_open)
    # What was not acknowledged to the broker would come again, and say that all is over.
    await asyncio.sleep(1)
    agent.kill()
    for name in (STATE_FILE, USAGE_FILE):
        (agent.folder / name).unlink()
    await house.kill_host()

    said(link, DownLeaf.DESIRED, opened)
    agent.start()
    await eventually(
        lambda: AgentFault.TIME_UNPROVEN in newest_report(listener).errors, timeout_s=20
    )
    await asyncio.sleep(2)
    assert not agent.is_open
    # The controller is back, and knows better which document is the newest.
    await house.start_host()
    await online(house)
    await asyncio.sleep(1)
    assert not agent.is_open


async def test_keys_are_changed_under_a_running_session(house: House) -> None:
    listener = Listener()
    link = house.broker.link("watch", listener)
    link.subscribe("clubctl/v1/#")
    link.start()
    agent = await house.agent(PC)
    await online(house)
    await house.play(PLAYER, PC, steps=4 * STEPS)
    await eventually(lambda: agent.is_open)

    for version in (2, 3):
        keys = load_signing_keys(house.keys).rotated()
        save_signing_keys(house.keys, keys, replace=True)

        def knows_it(version: int = version) -> bool:
            beats = [decode(UpLeaf.HEARTBEAT, one) for one in heard(listener, UpLeaf.HEARTBEAT)]
            return any(isinstance(b, Heartbeat) and b.keys_version == version for b in beats)

        await eventually(knows_it, timeout_s=20)
        assert agent.is_open
    assert agent_keys(agent) == load_signing_keys(house.keys).public.model_dump_json(
        exclude_none=True
    )
    await house.command(kind="end_session", session_id=f"ses-{PLAYER}")
    await eventually(lambda: not agent.is_open)
    await house.play("bob", PC, steps=STEPS)
    await eventually(lambda: agent.is_open)


def agent_keys(agent: AgentProcess) -> str:
    return agent.keys_file.read_text()
