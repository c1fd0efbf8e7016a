"""A host that does not hear itself over the broker judges nobody."""

import asyncio
from collections.abc import Callable

import pytest
from brokers_under_test import eventually

from actors import canary as canary_module
from actors.canary import Canary
from actors.clock import ManualClock
from actors.telemetry import Telemetry
from actors.turn import LinkEvent
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings


class Ears:
    """A host's side of the link: hands its own echo to the canary, unless the broker is deaf."""

    def __init__(self) -> None:
        self.hear: Callable[[bytes], None] = lambda _: None
        self.deaf = False
        self.rung = 0

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:  # noqa: ARG002
        self.rung += 1
        if not self.deaf:
            self.hear(payload)

    def on_connected(self) -> None:
        """Nothing to do."""

    def on_disconnected(self, reason: str) -> None:
        """Nothing to do."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_module, "ECHO_EVERY_S", 0.01)


async def test_an_echo_that_stays_away_blinds_and_one_that_returns_gives_sight(quick: None) -> None:
    del quick
    clock, ears, told = ManualClock(0, 0), Ears(), []
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()
    link = MemoryLink(LinkSettings("in-process", 1, "host"), ears, broker=broker)
    telemetry = Telemetry()
    canary = Canary(link, clock, telemetry, link_id="h1", tell=told.append)
    ears.hear = canary.heard
    link.start()
    await eventually(lambda: link.connected)
    singing = asyncio.create_task(canary.run())
    for _ in range(10):
        clock.advance(900)
        await asyncio.sleep(0.03)
    assert told == []
    ears.deaf = True
    for _ in range(8):
        clock.advance(900)
        await asyncio.sleep(0.03)
    assert told == [LinkEvent.LOST]
    assert canary.missing
    assert telemetry.outages.labels("echo")._value.get() == 1
    ears.deaf = False
    await eventually(lambda: told == [LinkEvent.LOST, LinkEvent.REGAINED])
    singing.cancel()
    await asyncio.wait((singing,))
    await link.close()


async def test_a_host_that_was_late_itself_is_not_blind_for_it(quick: None) -> None:
    del quick
    clock, ears, told = ManualClock(0, 0), Ears(), []
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()
    link = MemoryLink(LinkSettings("in-process", 1, "host"), ears, broker=broker)
    canary = Canary(link, clock, Telemetry(), link_id="h1", tell=told.append)
    ears.hear = canary.heard
    link.start()
    await eventually(lambda: link.connected)
    ears.deaf = True
    singing = asyncio.create_task(canary.run())
    await eventually(lambda: ears.rung)
    clock.advance(60_000)
    rung = ears.rung
    # It looks before it sings again; an echo may have been under way when the clock moved.
    await eventually(lambda: ears.rung >= rung + 3)
    assert told == []
    singing.cancel()
    await asyncio.wait((singing,))
    await link.close()
