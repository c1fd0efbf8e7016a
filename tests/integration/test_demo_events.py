"""Every event of a run of the demo fits the schema that is published for it."""

import asyncio
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import orjson
import pytest

from controller.archive import open_archive
from controller.demo.plan import CHAIN_ID
from schemas.events import EventMessage, published

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_event_of_a_run_fits_its_schema(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "controller.cli", "demo", "--headless", "--json"]
    shape = ["--pcs", "10", "--speed", "120", "--seconds", "20", "--state", str(tmp_path)]
    done = subprocess.run(
        [*command, *shape], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    entries = asyncio.run(archive.events(CHAIN_ID))
    archive.close()
    messages = [
        EventMessage.model_validate(published(orjson.loads(entry.payload))) for entry in entries
    ]
    kinds = {message.type for message in messages}
    assert {"session_created", "session_started", "session_ended", "pc_usage"} <= kinds
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for message in messages:
        sequences[message.source].append(message.sequence)
    for found in sequences.values():
        assert found == list(range(1, len(found) + 1))
    assert len({message.id for message in messages}) == len(messages)
