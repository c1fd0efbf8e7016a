"""The demo's chain: the same for the same counts and seed, whole, and sellable everywhere."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.club_setup import club_setups
from billing_core.tariff import TariffType
from controller.demo.intentions import Deed, Habit, intention, usual_stay_minutes
from controller.demo.plan import demo_plan
from controller.demo.seed import catalogue_documents

NOW_MS = 1_800_000_000_000


def test_two_starts_with_the_same_numbers_find_the_same_chain() -> None:
    first = demo_plan(pcs=40, players=120, seed=7)
    assert demo_plan(pcs=40, players=120, seed=7) == first
    assert demo_plan(pcs=40, players=120, seed=8).players != first.players


@given(pcs=st.integers(2, 600), players=st.integers(1, 1_000))
def test_every_pc_and_every_player_has_an_id_of_its_own(pcs: int, players: int) -> None:
    plan = demo_plan(pcs=pcs, players=players, seed=1)
    assert len(set(plan.roster)) == pcs
    assert len({player.player_id for player in plan.players}) == players
    assert len({player.label for player in plan.players}) == players


def test_one_pc_is_too_few_for_two_clubs() -> None:
    with pytest.raises(ValueError, match="at least 2 PCs"):
        demo_plan(pcs=1, players=1, seed=1)


def test_the_catalogue_decodes_into_clubs_in_two_time_zones_and_currencies() -> None:
    setups = club_setups(catalogue_documents(demo_plan(pcs=40, players=120, seed=1)))
    assert {(setup.terms.timezone, setup.terms.currency) for setup in setups.values()} == {
        ("Europe/Berlin", "EUR"),
        ("Asia/Almaty", "KZT"),
    }
    assert sum(len(setup.pcs) for setup in setups.values()) == 40
    assert sum(len(setup.zones) for setup in setups.values()) == 4


def test_every_zone_sells_time_by_the_minute_and_in_blocks() -> None:
    for setup in club_setups(catalogue_documents(demo_plan(pcs=4, players=1, seed=1))).values():
        for zone in setup.zones.values():
            tariffs = [setup.tariffs[setup.newest[tariff_id]] for tariff_id in zone.tariff_ids]
            assert {tariff.type for tariff in tariffs} == {
                TariffType.PER_MINUTE,
                TariffType.FIXED,
            }
            for tariff in tariffs:
                assert any(zone.zone_id in rule.zones for rule in tariff.prices)


@given(seed=st.integers(), speed=st.sampled_from([1.0, 10.0, 60.0, 500.0]))
def test_a_visit_ends_and_its_deeds_are_in_order(seed: int, speed: float) -> None:
    club = demo_plan(pcs=10, players=1, seed=1).clubs[0]
    means = intention(
        Random(seed),
        club,
        zone_id=club.zones[0].zone_id,
        stay_minutes=usual_stay_minutes(speed),
        now_ms=NOW_MS,
    )
    instants = [act.at_ms for act in means.acts]
    assert instants[0] >= NOW_MS
    assert means.acts[-1].deed in {Deed.LEAVE, Deed.CANCEL}
    assert means.brings_minor > 0
    books = means.habit in {Habit.BOOKS, Habit.BOOKS_AND_CANCELS}
    assert (means.planned_start_at_ms is not None) is books
    assert not (books and means.as_guest)


def test_people_come_and_go_within_minutes_at_every_speed() -> None:
    assert usual_stay_minutes(1.0) == 8
    assert usual_stay_minutes(60.0) == 45
