"""What older releases have stored is read by this one, and nothing changes shape unannounced.

A snapshot is never edited. When a document changes so that old ones cannot be read as they are,
its ``v`` rises, its reader learns the step, and a new snapshot is laid beside the old.
"""

import json

import pytest
from databases_under_test import Urls
from stored_shapes import GOLDEN, missing, stored_documents

from actors.bought import read_bought
from actors.club_events import ClubState
from actors.club_setup import club_setups
from actors.pc import PcState
from actors.shard_contents import decode_shard
from actors.store import ChainStream, StoredEntity, StreamEntry
from billing_core.session import SessionState
from billing_core.stored import (
    StoredValueError,
    order_from_dict,
    session_from_dict,
    tariff_from_dict,
)
from controller.archive import open_archive
from controller.archive.writing import Written
from schemas.catalogue import PlayerDocument
from schemas.events import published
from schemas.views import AuditEntryView, HallTile

KINDS = (
    *("pc", "club", "session", "closed_session", "catalogue", "player", "order", "bought"),
    *("transaction", "event", "audit", "tile"),
)


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


@pytest.mark.parametrize("name", snapshots("club"))
def test_a_stored_club_is_read(name: str) -> None:
    decoded = decode_shard([StoredEntity("club:north", 3, raw(name))])["club:north"]
    assert isinstance(decoded.state, ClubState)
    assert decoded.state.event_seq == json.loads(raw(name))["event_seq"] > 0


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


@pytest.mark.parametrize("name", snapshots("order"))
def test_a_stored_order_is_read(name: str) -> None:
    order = order_from_dict(json.loads(raw(name)))
    assert order.due_minor == 0
    assert [payment.amount_minor for payment in order.payments] == [100_00]
    assert len(order.refunds) == 1


@pytest.mark.parametrize("name", snapshots("bought"))
def test_stored_bought_tariffs_are_read(name: str) -> None:
    owned = {one.player_tariff_id: one for one in read_bought(raw(name))}
    assert owned["o2-0"].total_ms == 10 * 3_600_000
    assert owned["block-s4-0"].used_sessions == 1


@pytest.mark.parametrize("kind", ["order", "bought", "session", "tariff"])
def test_a_version_nobody_knows_is_refused(kind: str) -> None:
    document = {**json.loads(raw(snapshots(kind)[-1])), "v": 99}
    readers = {
        "order": order_from_dict,
        "bought": lambda read: read_bought(json.dumps(read).encode()),
        "session": session_from_dict,
        "tariff": tariff_from_dict,
    }
    with pytest.raises(StoredValueError, match="unknown version 99"):
        readers[kind](document)


@pytest.mark.parametrize("damaged", ["[]", "null", '{"v": []}', '{"v": true}', '{"v": 1.0}', '"v"'])
def test_a_document_of_no_shape_is_refused_in_words(damaged: str) -> None:
    """Whoever reads a catalogue expects this one error of it."""
    for read in (order_from_dict, session_from_dict, tariff_from_dict):
        with pytest.raises(StoredValueError):
            read(json.loads(damaged))


@pytest.mark.parametrize("name", snapshots("tariff"))
def test_a_stored_tariff_is_read(name: str) -> None:
    assert tariff_from_dict(json.loads(raw(name))).name == "Hours"


@pytest.mark.parametrize("name", snapshots("event"))
def test_a_stored_event_is_published(name: str) -> None:
    message = published(json.loads(raw(name)))
    assert (message["source"], message["sequence"]) == ("session:s1", 1)


@pytest.mark.parametrize("name", snapshots("audit"))
def test_a_stored_audit_entry_is_read(name: str) -> None:
    assert AuditEntryView.model_validate_json(raw(name)).operation == "refund_order"


@pytest.mark.parametrize("name", snapshots("tile"))
def test_a_stored_tile_is_read(name: str) -> None:
    assert HallTile.model_validate_json(raw(name)).session_id == "s4"


@pytest.mark.parametrize("kind", ["transaction", "event", "closed_session"])
async def test_the_archive_takes_what_an_older_host_wrote(sql_urls: Urls, kind: str) -> None:
    """A host of the release before may still write while the archive is a new one."""
    archive = open_archive(sql_urls("archive"))
    for name in snapshots(kind):
        stored = raw(name)
        if kind == "closed_session":
            await archive.write_sessions(name, [StoredEntity("s2", 3, stored)])
            assert [one.blob for one in await archive.sessions(name)] == [stored]
            continue
        stream = ChainStream.LEDGER if kind == "transaction" else ChainStream.OUTBOX
        entry = StreamEntry("1-0", stored)
        assert await archive.write(name, stream, [entry], after="0-0") == Written()
        held = await (archive.transactions(name) if kind == "transaction" else archive.events(name))
        assert held == [entry]
    archive.close()


async def test_todays_documents_still_have_what_the_newest_snapshots_have() -> None:
    today = await stored_documents()
    for kind in KINDS:
        newest = json.loads(raw(snapshots(kind)[-1]))
        assert missing(newest, today[kind]) == [], kind


def test_every_snapshot_says_its_version() -> None:
    """A tariff and an entry of the ledger said none at first; nor did bought tariffs and orders."""
    for kind in (*KINDS, "ended", "tariff"):
        for name in snapshots(kind):
            said = json.loads(raw(name))
            if kind != "catalogue":
                version = said.get("v", 0) if isinstance(said, dict) else 0
                assert f".v{version}." in name


async def test_every_document_of_a_played_day_says_its_version() -> None:
    for kind, document in (await stored_documents()).items():
        parts = document.values() if kind == "catalogue" else [document]
        assert all(one["v"] >= 1 for one in parts), kind
