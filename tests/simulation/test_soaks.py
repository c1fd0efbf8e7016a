"""A soak from outside: its range, its answer, and the command that plays a failing seed again."""

import re

import orjson
import pytest
from typer.testing import CliRunner

from actors.store_memory_chain import MemoryChain
from controller.commands_sim import sim_app

SOAK = ("soak", "--jobs", "1")


def test_a_range_of_seeds_is_played_and_summed_up() -> None:
    ended = CliRunner().invoke(sim_app, [*SOAK, "--seeds", "7:10", "--json"])
    assert ended.exit_code == 0, ended.output
    told = orjson.loads(ended.stdout)
    assert told["seeds"] == 3
    assert told["failed"] == []
    assert told["done"]["create_session"] > 0
    assert told["club_hours"] > 0


@pytest.mark.parametrize("asked", ["", "0", "9:9", "9:3", "-4", "1:2:3", "many"])
def test_what_is_no_range_is_refused_in_words(asked: str) -> None:
    ended = CliRunner().invoke(sim_app, [*SOAK, f"--seeds={asked}"])
    assert ended.exit_code == 2
    assert "FIRST:END" in ended.output


def test_a_failing_seed_says_how_to_play_it_again_and_fails_the_same_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryChain, "_known_answer", lambda _chain, _asked: None)
    first = CliRunner().invoke(sim_app, [*SOAK, "--seeds", "1"])
    assert first.exit_code == 1
    command = re.search(r"clubctl sim (soak --seed \d+)\n(?:  .+\n)+", first.output)
    assert command is not None, first.output
    again = CliRunner().invoke(sim_app, [*command[1].split(), "--jobs", "1"])
    assert again.exit_code == 1
    assert command[0] in again.output
