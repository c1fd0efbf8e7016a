"""The command line from outside: it starts quickly, names its commands, refuses in words."""

import subprocess
import sys

import pytest

from controller.cli import COMMANDS

HEAVY = ("ray", "redis", "fastapi", "sqlalchemy", "gmqtt", "pydantic", "orjson")


def clubctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "120"},
    )


def test_help_names_every_command() -> None:
    shown = clubctl("--help")
    assert shown.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in shown.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_of_the_table_exists_and_explains_itself(name: str) -> None:
    shown = clubctl(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage" in shown.stdout


def test_an_unknown_command_is_refused_in_words() -> None:
    refused = clubctl("frobnicate")
    assert refused.returncode == 2
    assert "No such command" in refused.stderr


def test_the_door_opens_without_loading_what_is_behind_it() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "import sys, controller.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not set(HEAVY) & set(listed.stdout.split())


@pytest.mark.parametrize("name", ["run", "api", "sim"])
def test_a_wrong_setting_is_named_and_ends_the_command(
    name: str,
) -> None:
    arguments = {"sim": ["sim", "fleet"]}.get(name, [name])
    refused = subprocess.run(
        [sys.executable, "-m", "controller.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "CLUBCTL_API_PORT": "70000"},
    )
    assert refused.returncode == 2
    assert "CLUBCTL_API_PORT" in refused.stderr


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mqtt://host:secret@127.0.0.1:1", "one user"),
        ("mqtts://127.0.0.1:1", "CLUBCTL_MQTT_CA_FILE"),
    ],
)
def test_a_fleet_that_cannot_show_who_it_is_is_refused_in_words(url: str, words: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "controller.cli", "sim", "fleet"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "CLUBCTL_REDIS_URL": "redis://127.0.0.1:1",
            "CLUBCTL_MQTT_URL": url,
            "CLUBCTL_MQTT_CA_FILE": "/nowhere/ca.pem",
        },
    )
    assert refused.returncode == 2
    assert words in refused.stderr
    assert "secret" not in refused.stderr
    assert "Traceback" not in refused.stderr
