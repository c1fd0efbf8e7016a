"""``clubctl chain create``, ``import`` and ``export`` on a real store, as people call them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import pytest
from terminal_under_test import run, told_of_a_store

from actors.club_setup import club_setups
from actors.store_redis import RedisStore
from controller.api.stored_keys import StoredKeys

pytestmark = pytest.mark.integration

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "club.toml"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty store that the commands are told of."""
    with told_of_a_store(tmp_path, monkeypatch) as address:
        yield address


def test_a_chain_begins_with_a_key_and_a_club_comes_from_a_file(url: str, tmp_path: Path) -> None:
    key = run("chain", "create", "orbit", "--name", "Orbit").strip()
    assert "there already" in run("chain", "create", "orbit", "--name", "Again", code=1)
    planned = run("import", str(EXAMPLE), "--dry-run", "--json")
    assert orjson.loads(planned)["applied"] is False
    assert "13 changed" in run("import", str(EXAMPLE))
    assert run("import", str(EXAMPLE)).strip() == "nothing to change"
    out = tmp_path / "east.toml"
    run("export", "--club", "orbit-east", "--out", str(out))
    assert run("import", str(out)).strip() == "nothing to change"
    assert run("export", "--club", "orbit-east") == out.read_text()

    async def look() -> tuple[bool, list[str]]:
        store = RedisStore.open(url)
        holder = await StoredKeys(store).holder_of(key)
        setup = club_setups(await store.catalogue("orbit"))["orbit-east"]
        await store.close()
        return holder is not None, sorted(setup.pcs)

    known, pcs = asyncio.run(look())
    assert known
    assert pcs == ["east-01", "east-02", "east-11", "east-99"]


def test_no_chain_begins_like_the_clubs_of_another(url: str, tmp_path: Path) -> None:
    assert url
    run("chain", "create", "orbit", "--name", "Orbit")
    run("import", str(EXAMPLE))
    for taken in ("orbit-east", "orbit-east-2"):
        assert "begin alike" in run("chain", "create", taken, "--name", "East", code=1)
    run("chain", "create", "comet-2", "--name", "Comet")
    assert "begin alike" in run("chain", "create", "comet", "--name", "Comet", code=1)
    text = EXAMPLE.read_text()
    theirs, ours = tmp_path / "theirs.toml", tmp_path / "ours.toml"
    theirs.write_text(text.replace("orbit-east", "comet-2-east"))
    assert "clubs of the chain comet-2 begin so" in run("import", str(theirs), code=1)
    ours.write_text(text.replace("orbit-east", "star-one").replace('"east-', '"far-'))
    assert "changed" in run("import", str(ours))
    assert "star-one" in run("chain", "create", "star", "--name", "Star", code=1)
    assert "at most 40" in run("chain", "create", "x" * 41, "--name", "Long", code=2)


def test_faults_are_told_to_people_and_to_machines(url: str, tmp_path: Path) -> None:
    assert url
    spoiled = tmp_path / "spoiled.toml"
    text = EXAMPLE.read_text().replace('name = "01"', 'name = ""')
    spoiled.write_text(text)
    line = text[: text.index('name = ""')].count("\n") + 1
    told = run("import", str(spoiled), code=1)
    assert told.startswith(f"line {line}: pcs[0].name: ")
    faults = orjson.loads(run("import", str(spoiled), "--json", code=1))["faults"]
    assert [(one["path"], one["line"]) for one in faults] == [("pcs[0].name", line)]
    assert "chain create" in run("import", str(EXAMPLE), code=1)
    run("import", str(tmp_path / "no-such.toml"), code=2)
    assert "no chain has a club" in run("export", "--club", "nowhere", code=1)
