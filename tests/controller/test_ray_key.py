"""The key that controller and API of one state folder show each other's Ray."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controller.kept_secret import kept_secret
from controller.ray_key import FILE_VARIABLE, MODE_VARIABLE, RAY_KEY_FILE, share_ray_key
from controller.settings import Settings


def test_two_processes_of_one_folder_have_one_key_that_others_cannot_read(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    told: list[dict[str, str]] = [{}, {}]
    for environment in told:
        share_ray_key(settings, environment)
    assert told[0] == told[1]
    assert told[0][MODE_VARIABLE] == "token"
    file = Path(told[0][FILE_VARIABLE])
    assert (file.stat().st_mode & 0o777, len(file.read_text())) == (0o600, 64)
    assert [one.name for one in file.parent.iterdir()] == [RAY_KEY_FILE]


@pytest.mark.parametrize("name", [MODE_VARIABLE, FILE_VARIABLE, "RAY_AUTH_TOKEN"])
def test_what_the_environment_says_stays(tmp_path: Path, name: str) -> None:
    environment = {name: "mine"}
    share_ray_key(Settings(state_dir=tmp_path), environment)
    assert environment == {name: "mine"}


def test_a_ray_that_is_there_has_the_key_of_the_folder_or_none(tmp_path: Path) -> None:
    there = Settings(state_dir=tmp_path, ray_address="127.0.0.2:6379")
    unguarded: dict[str, str] = {}
    share_ray_key(there, unguarded)
    assert unguarded == {}
    ours: dict[str, str] = {}
    share_ray_key(Settings(state_dir=tmp_path), ours)
    share_ray_key(there, unguarded)
    assert unguarded == ours


def test_those_who_make_a_secret_at_once_agree_on_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        files = list(pool.map(lambda n: kept_secret(tmp_path / "s", f"{n}" * 40), range(10)))
        assert len({file.read_text() for file in files}) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["s"]
