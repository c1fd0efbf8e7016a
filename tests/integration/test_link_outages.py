"""A link against brokers that die, hang, refuse and are fought over."""

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from brokers_under_test import (
    BrokerUnderTest,
    Cable,
    Credentials,
    IotcoreUnderTest,
    Listener,
    MosquittoUnderTest,
    eventually,
)

from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, Outgoing

pytestmark = pytest.mark.integration

OUTAGES = 6
PER_PHASE = 80


@pytest.fixture(params=[MosquittoUnderTest, IotcoreUnderTest], ids=lambda kind: kind.name)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerUnderTest]:
    under_test = request.param(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


async def test_six_cuts_that_lose_the_session_lose_no_message_and_leak_no_packet_id(
    broker: BrokerUnderTest,
) -> None:
    _, heard = await broker.up("reader", "t/+")
    cable = Cable(broker.port)
    await cable.mend()
    broker.port = cable.port
    writer, _ = await broker.up("writer", session_expiry_s=0)
    assert isinstance(writer, GmqttLink)
    offered: list[bytes] = []

    for outage in range(OUTAGES):
        # Half of a phase is on its way when the cable breaks, half is offered while it is down.
        for number in range(PER_PHASE):
            if number == PER_PHASE // 2:
                await cable.cut()
                await eventually(lambda: not writer.connected)
            offered.append(b"%d" % (outage * PER_PHASE + number))
            assert writer.publish(Outgoing("t/a", offered[-1]))
        await cable.mend()
        await eventually(lambda: writer.connected)

    assert await writer.flush(20)
    await eventually(lambda: set(heard.payloads) == set(offered))
    assert writer.unacked_count == 0
    assert writer.stats.connects == OUTAGES + 1
    assert writer.stats.redelivered > 0
    await _publishes_freely(writer, heard)
    await cable.cut()


async def test_six_dead_brokers_take_only_what_they_had_acknowledged(
    broker: BrokerUnderTest,
) -> None:
    reader, heard = await broker.up("reader", "t/+")
    cable = Cable(broker.port)
    await cable.mend()
    broker.port, direct_port = cable.port, broker.port
    writer, _ = await broker.up("writer")
    broker.port = direct_port
    assert isinstance(writer, GmqttLink)
    offered: list[bytes] = []
    acked: set[bytes] = set()
    excused: set[bytes] = set()

    for outage in range(OUTAGES):
        for number in range(PER_PHASE):
            if number == PER_PHASE // 2:
                await broker.stop()
                await cable.cut()
                await eventually(lambda: not writer.connected and not reader.connected)
                excused |= acked - set(heard.payloads)
            payload = b"%d" % (outage * PER_PHASE + number)
            offered.append(payload)
            assert writer.publish(
                Outgoing("t/a", payload, on_acked=lambda done=payload: acked.add(done))
            )
        await broker.start()
        # The reader first: a broker without sessions drops what nobody subscribed to yet.
        await eventually(lambda: reader.connected)
        await cable.mend()
        await eventually(lambda: writer.connected)

    assert await writer.flush(20)
    await eventually(lambda: set(heard.payloads) | excused == set(offered))
    assert writer.unacked_count == 0
    await _publishes_freely(writer, heard)
    await cable.cut()


async def _publishes_freely(writer: GmqttLink, heard: Listener) -> None:
    for _ in range(60):
        assert writer.publish(Outgoing("t/healthy", b"ids are free"))
    assert await writer.flush(10)
    await eventually(lambda: Counter(heard.payloads)[b"ids are free"] >= 60)


async def test_a_broker_that_accepts_and_then_says_nothing_does_not_hang_the_link(
    tmp_path: Path,
) -> None:
    silent: list[asyncio.StreamWriter] = []

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    broker = MosquittoUnderTest(tmp_path)
    server = await asyncio.start_server(accept, "127.0.0.1", broker.port)
    link = broker.link("patient", connect_timeout_s=0.2)
    link.start()
    await eventually(lambda: link.stats.failures >= 3 and len(silent) >= 3)
    assert "TimeoutError" in link.stats.last_error

    server.close()
    await server.wait_closed()
    await broker.start()
    await eventually(lambda: link.connected)
    # Only now has everybody been accepted who was on the way when the server closed.
    for writer in silent:
        writer.close()
    await broker.aclose()


async def test_a_half_open_connection_is_noticed_and_replaced(tmp_path: Path) -> None:
    broker = MosquittoUnderTest(tmp_path)
    await broker.start()
    host = Listener()
    link = broker.link("watchful", host, keepalive_s=1, connect_timeout_s=0.5)
    link.start()
    await eventually(lambda: link.connected)

    broker.suspend()
    await eventually(lambda: host.disconnects, timeout_s=8)
    await broker.stop()
    await broker.start()

    await eventually(lambda: link.connected)
    await broker.aclose()


@pytest.fixture
async def guarded_broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    passwords = tmp_path / "passwords"
    command = shutil.which("mosquitto_passwd")
    assert command is not None
    argv = [command, "-b", "-c", str(passwords), "pc1", "secret"]
    subprocess.run(argv, check=True)  # noqa: ASYNC221 - a moment, before anything runs
    passwords.chmod(0o644)
    broker = MosquittoUnderTest(
        tmp_path, extra=f"password_file {passwords}\nuser {Path.home().owner()}"
    )
    broker.anonymous = False
    await broker.start()
    yield broker
    await broker.aclose()


async def test_wrong_credentials_are_retried_slowly_and_right_ones_work(
    guarded_broker: MosquittoUnderTest,
) -> None:
    policy = BackoffPolicy(base_s=0.01, cap_s=0.01, refused_s=30.0)
    wrong = guarded_broker.link("pc1", credentials=Credentials("pc1", "guess"), backoff=policy)
    wrong.start()
    await eventually(lambda: wrong.stats.failures == 1)
    await asyncio.sleep(0.5)
    assert wrong.stats.failures == 1
    await wrong.abort()

    right = guarded_broker.link("pc1", credentials=Credentials("pc1", "secret"))
    right.start()
    await eventually(lambda: right.connected)
    assert "secret" not in repr(
        guarded_broker.settings("x", credentials=Credentials("a", "secret"))
    )


async def test_two_owners_of_one_client_id_stop_fighting(broker: BrokerUnderTest) -> None:
    policy = BackoffPolicy(base_s=0.01, cap_s=0.01, short_life_s=5.0, contested_s=60.0)
    twins = [broker.link("same", backoff=policy) for _ in range(2)]
    for twin in twins:
        twin.start()

    await asyncio.sleep(2.0)
    settled = sum(twin.stats.connects for twin in twins)
    await asyncio.sleep(1.0)

    assert settled <= 8
    assert sum(twin.stats.connects for twin in twins) == settled
    assert sum(twin.connected for twin in twins) == 1
