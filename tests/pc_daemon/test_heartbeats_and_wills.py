"""What keeps a fleet apart: beats out of step, and a will of each connection's own."""

import asyncio
from itertools import pairwise

from brokers_under_test import Listener, eventually
from service_bench import Club
from skipped_time import lived

from schemas.device import Birth, Presence, PresenceReason, Reported
from schemas.link_memory import MemoryLink
from schemas.link_port import LinkSettings
from schemas.topics import UpLeaf, pc_topic

PERIOD_S = 10.0
BEATS = 60


class Beats(Listener):
    """When each beat came, by the loop's own time."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s: list[float] = []

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        self.at_s.append(asyncio.get_running_loop().time())


async def beats_of_a_pc() -> list[float]:
    club, heard = Club(heartbeat_s=PERIOD_S), Beats()
    watch = MemoryLink(LinkSettings("memory", 0, "watch"), heard, broker=club.broker)
    watch.subscribe(pc_topic("club", "pc1", UpLeaf.HEARTBEAT))
    watch.start()
    club.service.start()
    await asyncio.sleep(PERIOD_S * 1.2 * (BEATS + 1))
    await club.service.kill()
    return heard.at_s


def test_beats_come_within_a_fifth_of_their_period_and_never_the_same_twice() -> None:
    gaps = [later - earlier for earlier, later in pairwise(lived(beats_of_a_pc()))]

    assert len(gaps) >= BEATS
    assert all(0.8 * PERIOD_S <= round(gap, 6) <= 1.2 * PERIOD_S for gap in gaps)
    assert len({round(gap, 6) for gap in gaps}) == len(gaps)
    assert min(gaps) < 0.9 * PERIOD_S < 1.1 * PERIOD_S < max(gaps)


async def test_a_will_carries_the_epoch_of_the_connection_that_broke() -> None:
    # The will is due with the end of the session, so nobody waits for its delay.
    club = Club(session_expiry_s=0)
    for connection in (1, 2):
        club.service.start()
        await eventually(lambda: club.last(Reported))
        await club.service.kill()
        await eventually(lambda connection=connection: len(wills(club)) == connection)
        club.heard.messages = [one for one in club.heard.messages if "/reported" not in one[0]]

    births = [one.connection_epoch for one in club.messages() if isinstance(one, Birth)]
    assert wills(club) == births
    assert births == sorted(set(births))
    assert len(births) == 2


def wills(club: Club) -> list[int]:
    """Epochs of the wills that were published."""
    lost = PresenceReason.CONNECTION_LOST
    said = [one for one in club.messages() if isinstance(one, Presence)]
    return [one.connection_epoch for one in said if one.reason is lost]
