"""``clubctl keys``: what an operator types, and what the controller refuses to start with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.commands_keys import KEY_FILE_VARIABLE, keys_app
from controller.settings import SettingsError, load_settings
from controller.supervise import run_controller
from pc_daemon.trust import FileKeys, PinnedKeysError
from schemas.trust import KeysDocument


def keys(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(keys_app, arguments, env=environment)


def test_a_key_is_made_rotated_listed_and_handed_out(tmp_path: Path) -> None:
    path, public = tmp_path / "signing.json", tmp_path / "public.json"
    named = ("--file", str(path))
    made = keys("create", *named)
    assert made.exit_code == 0, made.output
    first = json.loads(keys("list", *named, "--json").output)
    assert (first["version"], len(first["kids"])) == (1, 1)
    assert first["kids"][0] in made.output

    assert keys("rotate", **{KEY_FILE_VARIABLE: str(path)}).exit_code == 0
    second = json.loads(keys("list", *named, "--json").output)
    assert (second["version"], second["kids"][1:]) == (2, first["kids"])
    assert keys("list", *named).output.splitlines() == [
        f"{second['kids'][0]}  signs",
        f"{second['kids'][1]}  believed",
    ]

    printed = keys("public", *named).output
    assert keys("public", *named, "--out", str(public)).exit_code == 0
    assert public.read_text() == printed
    document = FileKeys(public).load()
    assert [entry.kid for entry in document.keys] == second["kids"]
    assert all(seed not in printed for seed in json.loads(path.read_text())["keys"])


def test_a_file_that_is_there_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    named = ("--file", str(tmp_path / "signing.json"))
    keys("create", *named)
    before = (tmp_path / "signing.json").read_bytes()
    again = keys("create", *named)
    assert again.exit_code == 2
    assert "rotate" in again.output
    assert (tmp_path / "signing.json").read_bytes() == before


@pytest.mark.parametrize("command", ["create", "rotate", "list", "public"])
def test_without_a_file_it_says_which_variable(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_FILE_VARIABLE, raising=False)
    result = keys(command)
    assert result.exit_code == 2
    assert KEY_FILE_VARIABLE in result.output


def test_a_file_that_others_may_read_is_refused_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "signing.json"
    keys("create", "--file", str(path))
    path.chmod(0o644)
    assert "chmod 600" in keys("rotate", "--file", str(path)).output
    settings = load_settings(
        redis_url="redis://127.0.0.1:1", mqtt_url="mqtt://127.0.0.1:1", lease_key_file=path
    )
    with pytest.raises(SettingsError, match="chmod 600"):
        run_controller(settings)


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("{}", 0o600, "not a list of keys"),
        ('{"v":1,"version":1,"keys":[{"kid":"k","public":"x"}]}', 0o600, "not a list of keys"),
        (None, 0o600, "No such file"),
        ("", 0o622, "others may write it"),
    ],
)
def test_an_agent_does_not_start_with_keys_it_cannot_trust(
    tmp_path: Path, content: str | None, mode: int, why: str
) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(PinnedKeysError, match=why):
        FileKeys(path).load()


def test_an_agent_keeps_newer_keys_for_its_next_start(tmp_path: Path) -> None:
    path = tmp_path / "signing.json"
    keys("create", "--file", str(path))
    pinned = FileKeys(tmp_path / "pc" / "keys.json")
    document = KeysDocument.model_validate_json(keys("public", "--file", str(path)).output)
    pinned.save(document)
    assert pinned.load() == document
    assert (tmp_path / "pc" / "keys.json").stat().st_mode & 0o777 == 0o600
