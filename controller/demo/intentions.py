"""What somebody who comes in means to do: which tariff, how much money, and what happens when.

Pure: everything follows from the random numbers given.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from controller.demo.plan import MINUTES_PER_HOUR, ClubPlan

MINUTE_MS: Final = 60_000
GUEST_SHARE: Final = 0.12
"""How many have no account and pay at the desk."""
MINUTE_TARIFF_SHARE: Final = 0.6
STAY_MINUTES_AT_MOST: Final = 45
STAY_REAL_MINUTES_AT_MOST: Final = 8
"""A demo watched at the pace of life should still see people come and go."""
STAY_SPREAD: Final = 0.5


class Habit(StrEnum):
    """How a visit goes."""

    LEAVES_EARLY = "leaves_early"
    RUNS_OUT = "runs_out"
    EXTENDS = "extends"
    CHANGES_SEATS = "changes_seats"
    BOOKS = "books"
    BOOKS_AND_CANCELS = "books_and_cancels"


HABIT_WEIGHTS: Final = {
    Habit.LEAVES_EARLY: 38,
    Habit.RUNS_OUT: 22,
    Habit.EXTENDS: 16,
    Habit.CHANGES_SEATS: 14,
    Habit.BOOKS: 7,
    Habit.BOOKS_AND_CANCELS: 3,
}


class Deed(StrEnum):
    """Something done during a visit."""

    TOP_UP = "top_up"
    EXTEND = "extend"
    SWITCH = "switch"
    START = "start"
    CANCEL = "cancel"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Act:
    """A deed and the business instant it is due."""

    at_ms: int
    deed: Deed


@dataclass(frozen=True, slots=True)
class Intention:
    """A visit as planned. ``brings_minor`` is the balance wanted before sitting down.

    ``planned_start_at_ms`` None means sit down and play at once.
    """

    habit: Habit
    tariff_id: str
    as_guest: bool
    brings_minor: int
    planned_start_at_ms: int | None
    acts: tuple[Act, ...]


def usual_stay_minutes(speed: float) -> float:
    """The usual length of a visit in business minutes, when business time runs at ``speed``."""
    return min(STAY_MINUTES_AT_MOST, STAY_REAL_MINUTES_AT_MOST * max(1.0, speed))


def intention(
    random: Random, club: ClubPlan, *, zone_id: str, stay_minutes: float, now_ms: int
) -> Intention:
    """What the next visitor of this zone means to do."""
    habit = random.choices(tuple(HABIT_WEIGHTS), tuple(HABIT_WEIGHTS.values()))[0]
    minutes = _minutes(random, stay_minutes)
    block = None if random.random() < MINUTE_TARIFF_SHARE else random.choice(club.blocks)
    if habit is Habit.EXTENDS or (habit is Habit.RUNS_OUT and block is not None):
        # Time by the minute is extended by topping up; only blocks run out within a visit.
        block = club.shortest_block
    books = habit in {Habit.BOOKS, Habit.BOOKS_AND_CANCELS}
    starts_at_ms = now_ms + _fraction(random, minutes, low=0.1, high=0.4) if books else None
    hourly_minor = club.rate(zone_id)
    needed = (
        _price(hourly_minor, minutes * (1.0 if habit is Habit.RUNS_OUT else 1.6))
        if block is None
        else block.price_minor(zone_id)
    )
    return Intention(
        habit=habit,
        tariff_id=club.minute_tariff_id if block is None else block.tariff_id,
        as_guest=not books and random.random() < GUEST_SHARE,
        brings_minor=needed,
        planned_start_at_ms=starts_at_ms,
        acts=_acts(random, habit, minutes=minutes, starts_at_ms=starts_at_ms or now_ms),
    )


def departure(random: Random, *, stay_minutes: float, now_ms: int) -> tuple[Act, ...]:
    """What somebody found at a PC goes on to do: play a while and leave."""
    return (
        Act(
            now_ms + _fraction(random, _minutes(random, stay_minutes), low=0.1, high=1.0),
            Deed.LEAVE,
        ),
    )


def _acts(random: Random, habit: Habit, *, minutes: float, starts_at_ms: int) -> tuple[Act, ...]:
    def at(low: float, high: float) -> int:
        return starts_at_ms + _fraction(random, minutes, low=low, high=high)

    leave = Act(at(0.8, 1.2), Deed.LEAVE)
    match habit:
        case Habit.LEAVES_EARLY:
            return (leave,)
        case Habit.RUNS_OUT:
            return (Act(at(3.0, 4.0), Deed.LEAVE),)
        case Habit.EXTENDS:
            top_up_at_ms = at(0.3, 0.5)
            extend_at_ms = top_up_at_ms + _fraction(random, minutes, low=0.05, high=0.2)
            return (Act(top_up_at_ms, Deed.TOP_UP), Act(extend_at_ms, Deed.EXTEND), leave)
        case Habit.CHANGES_SEATS:
            return (Act(at(0.2, 0.6), Deed.SWITCH), leave)
        case Habit.BOOKS:
            return (Act(at(0.0, 0.1), Deed.START), leave)
        case Habit.BOOKS_AND_CANCELS:
            return (Act(starts_at_ms, Deed.CANCEL),)


def _minutes(random: Random, usual: float) -> float:
    return max(2.0, usual * random.lognormvariate(0.0, STAY_SPREAD))


def _fraction(random: Random, minutes: float, *, low: float, high: float) -> int:
    return int(minutes * MINUTE_MS * random.uniform(low, high))


def _price(hourly_minor: int, minutes: float) -> int:
    return int(hourly_minor * minutes / MINUTES_PER_HOUR) + 1
