"""A PC that obeys an old document is sent the new one again, ever less often; the last words of
a connection that was replaced say nothing of the one that stands."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from shard_under_test import ShardUnderTest, opened_club

from actors.pc_actor import RESEND_AFTER_MS
from actors.presence import Signal
from actors.turn import AppliedTarget, Effect
from schemas.views import LinkState

PC = "north-main-0"


class Sendings:
    """When documents went to the PC, in seconds from the first one noted."""

    def __init__(self, shard: ShardUnderTest, patch: pytest.MonkeyPatch) -> None:
        self.at_ms: list[int] = []
        self._shard, self._take = shard, shard._effects
        patch.setattr(shard, "_effects", self._noted)

    def _noted(self, effects: Sequence[Effect]) -> None:
        to_pc = [one for one in effects if getattr(one, "document", None) and one.pc_id == PC]
        self.at_ms += [self._shard.now.mono_ms] * len(to_pc)
        self._take(effects)

    @property
    def gaps_s(self) -> list[float]:
        return [(b - a) / 1_000 for a, b in zip(self.at_ms, self.at_ms[1:], strict=False)]


async def drifts(shard: ShardUnderTest, *, seconds: int) -> None:
    """The PC beats every second and obeys a document before the newest."""
    for _ in range(seconds):
        shard.clock.advance(1_000)
        heard = shard.heard(PC)
        assert heard.applied is not None
        assert heard.applied.version is not None
        epoch, rev = heard.applied.version
        await shard.turn(replace(heard, applied=AppliedTarget((epoch, rev - 1), locked=True)))


async def test_what_a_pc_does_not_apply_is_sent_again_after_ever_longer_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shard = await opened_club()
    sendings = Sendings(shard, monkeypatch)
    await drifts(shard, seconds=200)
    assert sendings.gaps_s == [one / 1_000 for one in (*RESEND_AFTER_MS, RESEND_AFTER_MS[-1])]
    await shard.beat(PC)
    before = len(sendings.at_ms)
    await drifts(shard, seconds=1)
    assert len(sendings.at_ms) == before + 1, "whoever obeyed meanwhile is answered at once"


async def test_whoever_was_replaced_says_nothing_to_a_pc_that_obeys_its_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its document would be refused, but stay with the broker for a PC that remembers nothing."""
    shard = await opened_club()
    sendings = Sendings(shard, monkeypatch)
    for _ in range(60):
        shard.clock.advance(1_000)
        heard = shard.heard(PC)
        assert heard.applied is not None
        assert heard.applied.version is not None
        epoch, rev = heard.applied.version
        later = AppliedTarget((epoch + 1, rev), locked=True)
        await shard.turn(replace(heard, applied=later, wants_desired=True))
    assert sendings.at_ms == []
    await drifts(shard, seconds=1)
    assert len(sendings.at_ms) == 1


@pytest.mark.parametrize("signal", [Signal.WILL, Signal.GOODBYE])
async def test_the_last_word_of_an_older_connection_is_nobodys(signal: Signal) -> None:
    shard = await opened_club()
    await shard.turn(replace(shard.heard(PC), connection_epoch=2))
    last = replace(shard.heard(PC), applied=None, signal=signal)

    await shard.turn(replace(last, connection_epoch=1))
    assert await link(shard) is LinkState.ONLINE
    await shard.turn(replace(last, connection_epoch=2))
    assert await link(shard) is not LinkState.ONLINE


async def link(shard: ShardUnderTest) -> LinkState:
    actor = shard.runtime._actor(PC)
    assert actor is not None
    return actor.presence.link
