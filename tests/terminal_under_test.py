"""The command line as people call it, in this process and on a store of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stores_under_test import running_server
from typer.testing import CliRunner

from controller.cli import app


@contextmanager
def told_of_a_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty store that commands are told of, and of nothing else."""
    for name in ("MQTT_URL", "CONFIG", "ARCHIVE_URL", "ENV"):
        monkeypatch.delenv(f"CLUBCTL_{name}", raising=False)
    with running_server(folder / "state") as server:
        monkeypatch.setenv("CLUBCTL_REDIS_URL", server.url)
        monkeypatch.setenv("CLUBCTL_STATE_DIR", str(folder / "state"))
        yield server.url


def run(*arguments: str, code: int = 0) -> str:
    """What ``clubctl`` prints; it must end with ``code``."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output
