"""One-shot orders as the service carries them out, and what it says became of them."""

import subprocess
from collections.abc import AsyncIterator

import pytest
from brokers_under_test import eventually
from service_bench import Club, reason_of

from schemas.codec import encode
from schemas.device import (
    CommandOutcome,
    DeviceCommand,
    DeviceCommandKind,
    DeviceCommandResult,
    Presence,
    PresenceReason,
    Reported,
)
from schemas.topics import DownLeaf


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    under_test = Club()
    under_test.service.start()
    await eventually(lambda: under_test.last(Reported))
    yield under_test
    await under_test.service.kill()


def reboot_order(cmd_id: str) -> bytes:
    order = DeviceCommand(cmd_id=cmd_id, kind=DeviceCommandKind.REBOOT, not_after_ms=2**52)
    return encode(order)


async def test_a_reboot_says_so_first(club: Club) -> None:
    club.say(DownLeaf.CMD, reboot_order("c1"))
    await eventually(lambda: club.reboots)
    await eventually(lambda: reason_of(club) is PresenceReason.REBOOT)


async def test_a_reboot_that_is_refused_leaves_the_agent_running(club: Club) -> None:
    def refuse() -> None:
        raise subprocess.CalledProcessError(1, "systemctl")

    club.reboot = refuse
    club.say(DownLeaf.CMD, reboot_order("c1"))

    def reasons() -> list[PresenceReason]:
        return [m.reason for m in club.messages() if isinstance(m, Presence)]

    await eventually(lambda: len(reasons()) == 3)
    assert reasons() == [
        PresenceReason.CONNECTED,
        PresenceReason.REBOOT,
        PresenceReason.CONNECTED,
    ]
    assert club.service.link.connected

    await eventually(lambda: len(results(club)) == 2)
    club.say(DownLeaf.CMD, reboot_order("c1"))
    await eventually(lambda: len(results(club)) == 3)
    assert results(club) == [CommandOutcome.DONE, CommandOutcome.FAILED, CommandOutcome.FAILED]


def results(club: Club) -> list[CommandOutcome]:
    return [m.outcome for m in club.messages() if isinstance(m, DeviceCommandResult)]


async def test_an_order_that_fails_is_told_so_and_not_tried_again(club: Club) -> None:
    club.locker.mute = True
    kinds = (DeviceCommandKind.MESSAGE, DeviceCommandKind.IDENTIFY, DeviceCommandKind.WAKE)
    orders = [
        DeviceCommand(
            cmd_id=kind, kind=kind, not_after_ms=2**52, duration_ms=10_000, mac="02:00:00:aa:bb:07"
        )
        for kind in kinds
    ]
    for order in (*orders, *orders):
        club.say(DownLeaf.CMD, encode(order))
    await eventually(lambda: len(results(club)) == 6)
    assert results(club) == [CommandOutcome.FAILED] * 6
    assert club.tried == ["notify", "identify", "wake"]


async def test_a_message_reaches_the_screen(club: Club) -> None:
    order = DeviceCommand(
        cmd_id="c1", kind=DeviceCommandKind.MESSAGE, not_after_ms=2**52, text="Pizza is here"
    )
    club.say(DownLeaf.CMD, encode(order))
    club.say(DownLeaf.CMD, encode(replace_text(order)))
    await eventually(lambda: len(results(club)) == 2)
    assert results(club) == [CommandOutcome.DONE] * 2
    assert club.locker.notices == ["Pizza is here"]


def replace_text(order: DeviceCommand) -> DeviceCommand:
    return order.model_copy(update={"text": "the same id says nothing new"})
