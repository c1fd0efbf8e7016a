"""What may go wrong in one simulation, and how often: drawn anew for every seed.

A seed in which everything fails at once explores little; so each kind of fault is absent from
many seeds and frequent in some.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from controller.simulation.town import PLAIN, PLAYERS, Customs


class CallFate(StrEnum):
    """What becomes of one call to the store."""

    SERVED = "served"
    REFUSED = "refused"
    """Nothing happened and the caller knows that it did not answer."""
    REQUEST_LOST = "request_lost"
    ANSWER_LOST = "answer_lost"
    LATE = "late"
    """The caller has given up when the server gets it."""
    TWICE = "twice"
    """The client sends it again because the first answer was lost on the way."""
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"


class Mishap(StrEnum):
    """What happens to machines now and then."""

    KILL_HOST = "kill_host"
    FREEZE_HOST = "freeze_host"
    MOVE_SHARDS = "move_shards"
    CUT_STORE = "cut_store"
    """One host does not reach the store."""
    STOP_STORE = "stop_store"
    RESTORE_STORE = "restore_store"
    """The store comes back as it was some time ago."""
    STOP_BROKER = "stop_broker"
    LOSE_BROKER = "lose_broker"
    """The broker comes back without sessions and retained messages."""
    UNPLUG_PC = "unplug_pc"
    POWER_CUT = "power_cut"
    FREEZE_PC = "freeze_pc"
    SET_PC_CLOCK = "set_pc_clock"
    SLEW_HOST_CLOCK = "slew_host_clock"
    KILL_ARCHIVE = "kill_archive"
    LOSE_NEWS = "lose_news"
    """The store's channels lose what they carry."""


SPEEDS: Final = (10.0, 60.0, 180.0)
STARTS_AT_MS: Final = (
    1_800_000_000_000,  # a morning in January: 9:00 in Berlin
    1_800_046_200_000,  # 21:50, ten minutes before the night begins
    1_799_994_000_000,  # 7:20, the night is about to be over
    1_806_194_400_000,  # 1:40, in twenty minutes the clocks go forward
)
TOP_UPS_MINOR: Final = (
    (1, 150, 3_000, 8_000, 8_000, 20_000, 20_000),
    (150, 300, 700, 700, 1_500),
)
"""What people pay in. Where they have little, wallets run dry under two sessions at once."""
NO_SHOW_REAL_S: Final = 5
_OUTAGES: Final = (Mishap.POWER_CUT, Mishap.FREEZE_PC)
_FREQUENT: Final = 0.04
_PRESENT_SHARE: Final = 0.5
_RESTORE_SHARE: Final = 0.2
_ARCHIVED_SHARE: Final = 0.4
_LIVES_S: Final = (*(((2.0, 5.0),) * 5), *(((5.0, 12.0),) * 3), *(((12.0, 28.0),) * 2))
"""Least and most of a life. Most are short and dense: a defect needs two things at once, not a
long time."""
_NOTICED_AFTER_S: Final = 12.0
"""Shorter lives are over before anybody notices that a PC has failed, and nothing is credited."""
_POLICIES: Final = ("CREDIT", "CREDIT", "CREDIT", "PROPOSE")
_MISHAPS_A_LIFE: Final = (3.0, 16.0)
_PAUSES_A_LIFE: Final = (8.0, 40.0)
_CREDIT_MINOR: Final = (1, 500, 20_000)


@dataclass(frozen=True, slots=True)
class Swarm:
    """One seed's world and its faults. Chances are per call or per message, pauses real.

    Without an archive nothing leaves the store, and a seed is lived sooner; whoever goes back in
    time has one to contradict.
    """

    hosts: int
    has_archive: bool
    speed: float
    chaos_s: float
    mishap_every_s: float
    calls: tuple[tuple[CallFate, float], ...]
    mishaps: tuple[Mishap, ...]
    message_loss: float
    message_twice: float
    message_delay_s: float
    store_delay_s: float
    start_at_ms: int
    customs: Customs
    think_s: float
    top_ups_minor: tuple[int, ...]

    @property
    def notices(self) -> bool:
        """Whether clubs give back what PCs did not serve."""
        return self.customs.outages != PLAIN.outages

    @property
    def has_stayers(self) -> bool:
        """Whether some sit and stay: only they are owed anything when a PC fails, and only they
        draw on one wallet from two clubs for long."""
        return self.notices or self.customs.parallel_sessions

    @property
    def restores(self) -> bool:
        """Whether acknowledged history may be lost by definition."""
        return Mishap.RESTORE_STORE in self.mishaps


def drawn(random: Random) -> Swarm:
    """The swarm of one seed."""

    def maybe(most: float) -> float:
        return random.random() * most if random.random() < _PRESENT_SHARE else 0.0

    mishaps = [
        mishap
        for mishap in Mishap
        if random.random() < (_RESTORE_SHARE if mishap is Mishap.RESTORE_STORE else _PRESENT_SHARE)
    ]
    speed = random.choice(SPEEDS)
    chaos_s = random.uniform(*random.choice(_LIVES_S))
    notices = chaos_s >= _NOTICED_AFTER_S
    customs = _customs(random, speed, notices=notices)
    if customs.outages != PLAIN.outages:
        # What such a club does shows only where PCs fail, and often enough.
        mishaps += [*_OUTAGES] * 8
    return Swarm(
        hosts=random.choice((2, 2, 3)),
        has_archive=Mishap.RESTORE_STORE in mishaps or random.random() < _ARCHIVED_SHARE,
        speed=speed,
        chaos_s=chaos_s,
        mishap_every_s=chaos_s / random.uniform(*_MISHAPS_A_LIFE),
        calls=tuple((fate, maybe(_FREQUENT)) for fate in CallFate if fate is not CallFate.SERVED),
        mishaps=tuple(mishaps),
        message_loss=maybe(0.3),
        message_twice=maybe(0.3),
        message_delay_s=maybe(2.0),
        store_delay_s=maybe(0.2),
        start_at_ms=random.choice(STARTS_AT_MS),
        customs=customs,
        think_s=chaos_s / random.uniform(*_PAUSES_A_LIFE),
        top_ups_minor=TOP_UPS_MINOR[0] if notices else random.choice(TOP_UPS_MINOR),
    )


def _customs(random: Random, speed: float, *, notices: bool) -> Customs:
    def sometimes() -> bool:
        return random.random() < _PRESENT_SHARE

    outages = random.choice(_POLICIES) if notices else PLAIN.outages
    no_show_minutes = max(1, int(NO_SHOW_REAL_S * speed / 60)) if sometimes() else None
    return Customs(
        parallel_sessions=sometimes(),
        renews_from_wallet=sometimes(),
        players_pay_later=sometimes(),
        grace_seconds=random.choice((0, 0, 30, 120)),
        no_show_minutes=no_show_minutes,
        auto_renewal=frozenset(name for name in PLAYERS if sometimes()),
        outages=outages,
        credit_max_minutes=random.choice((180, 180, 5)),
        credit_minor={name: random.choice(_CREDIT_MINOR) for name in PLAYERS if sometimes()},
    )
