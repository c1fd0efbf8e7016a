"""What older releases have stored is read by this one, and nothing changes shape unannounced.

A snapshot is never edited. When a document changes so that old ones cannot be read as they are,
its ``v`` rises, its reader learns the step, and a new snapshot is laid beside the old.
"""

import json

import pytest
from stored_shapes import GOLDEN, missing, stored_documents

from actors.club_setup import club_setups
from actors.pc import PcState
from actors.shard_contents import decode_shard
from actors.store import StoredEntity
from billing_core.session import SessionState
from billing_core.stored import session_from_dict
from schemas.catalogue import PlayerDocument

KINDS = ("pc", "session", "closed_session", "catalogue", "player")


def snapshots(kind: str) -> list[str]:
    return sorted(path.name for path in GOLDEN.glob(f"{kind}.*.json"))


def raw(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", snapshots("pc"))
def test_a_stored_pc_is_read(name: str) -> None:
    stored = json.loads(raw(name))
    decoded = decode_shard([StoredEntity("pc:x", 3, raw(name))])["pc:x"]
    assert isinstance(decoded.state, PcState)
    assert decoded.state.pc_id == stored["pc_id"]
    assert decoded.state.target.rev == stored["target"]["rev"]
    grant = decoded.state.target.grant
    assert grant is not None
    assert grant.until_ms == stored["target"]["grant"]["issued_at_ms"] + grant.duration_ms


@pytest.mark.parametrize("name", snapshots("session"))
def test_a_stored_session_is_read(name: str) -> None:
    stored = json.loads(raw(name))
    decoded = decode_shard([StoredEntity("session:x", 3, raw(name))])["session:x"]
    assert isinstance(decoded.state, SessionState)
    amounts = [segment.amount_minor for segment in decoded.state.segments]
    assert amounts == [segment["amount_minor"] for segment in stored["segments"]]
    assert decoded.state.due_at_ms == stored["due_at_ms"]


@pytest.mark.parametrize("name", snapshots("closed_session"))
def test_a_closed_session_is_read_with_its_receipt(name: str) -> None:
    stored = json.loads(raw(name))
    state = session_from_dict(stored["state"])
    assert state.amount_minor == stored["receipt"]["total_minor"] > 0


@pytest.mark.parametrize("name", snapshots("catalogue"))
def test_a_stored_catalogue_is_read(name: str) -> None:
    stored = {key: json.dumps(value).encode() for key, value in json.loads(raw(name)).items()}
    setups = club_setups(stored)
    assert set(setups) == {"north", "south"}
    assert set(setups["north"].newest) == {"standard", "block"}


@pytest.mark.parametrize("name", snapshots("player"))
def test_a_stored_player_is_read(name: str) -> None:
    assert PlayerDocument.model_validate_json(raw(name)).player_id == "ann"


async def test_todays_documents_still_have_what_the_newest_snapshots_have() -> None:
    today = await stored_documents()
    for kind in KINDS:
        newest = json.loads(raw(snapshots(kind)[-1]))
        assert missing(newest, today[kind]) == [], kind


def test_every_document_of_its_own_says_its_version() -> None:
    for kind in ("pc", "session", "closed_session"):
        for name in snapshots(kind):
            assert f".v{json.loads(raw(name))['v']}." in name
