"""Final documents of sessions in the archive, on one open SQL connection."""

from collections.abc import Iterable, Mapping, Sequence

import orjson
from sqlalchemy import Connection, and_, insert, update

from actors.store import StoredEntity
from actors.unreadable import UNREADABLE_ERRORS
from controller.archive import aside, tables
from controller.archive.aside import REWIND, SESSIONS, Beside, Unread, fitting
from controller.archive.rows import Row, sessions


def write_sessions(
    connection: Connection, chain_id: str, closed: Sequence[StoredEntity], *, now_ms: int
) -> tuple[Unread, ...]:
    """Insert closed sessions, or replace an older version; what of them was found unreadable.

    Of two that say different things in one version the store's is the one that lasted.
    """
    ids = [stored.key for stored in closed]
    known = {stored.key: stored for stored in sessions(connection, chain_id, ids)}
    odd = []
    for stored in closed:
        try:
            row = fitting(tables.sessions, _session_row(chain_id, stored))
        except UNREADABLE_ERRORS:
            odd.append(Beside(stored.key, stored.blob, session_id=stored.key))
        else:
            _write_session(connection, row, stored, held=known.get(stored.key), now_ms=now_ms)
    read = sorted(set(ids) - {one.row_id for one in odd})
    aside.forget_unreadable(connection, chain_id, SESSIONS, ids=read)
    return aside.note_unreadable(connection, chain_id, SESSIONS, found=odd, now_ms=now_ms)


def _write_session(
    connection: Connection,
    row: Row,
    stored: StoredEntity,
    *,
    held: StoredEntity | None,
    now_ms: int,
) -> None:
    table, chain_id = tables.sessions, row["chain_id"]
    if held is None:
        connection.execute(insert(table), row)
    elif held.version <= stored.version and held != stored:
        if held.version == stored.version:
            set_session_aside(connection, chain_id, held, now_ms=now_ms)
        where = and_(table.c.chain_id == chain_id, table.c.session_id == stored.key)
        connection.execute(update(table).where(where).values(row))


def set_session_aside(
    connection: Connection, chain_id: str, held: StoredEntity, *, now_ms: int
) -> None:
    """Keep the final document of a session that, in the store, ended otherwise or not at all."""
    found = Beside(held.key, held.blob, session_id=held.key)
    how = {"source": SESSIONS, "cause": REWIND}
    aside.lay(connection, chain_id, **how, now_ms=now_ms, documents=[found])


def _session_row(chain_id: str, stored: StoredEntity) -> Row:
    document = orjson.loads(stored.blob)
    state, receipt = document["state"], document["receipt"]
    same = ("club_id", "player_id", "pc_id", "zone_id", "status", "ended_reason", "currency")
    instants = ("planned_start_at_ms", "actual_start_at_ms", "actual_end_at_ms")
    return {
        "chain_id": chain_id,
        "session_id": stored.key,
        "version": stored.version,
        "closed_at_ms": receipt["issued_at_ms"],
        "total_minor": receipt["total_minor"],
        "bonus_minor": receipt["bonus_minor"],
        "document": stored.blob,
        **_listed(state, closed_at_ms=receipt["issued_at_ms"]),
        **{name: state[name] for name in (*same, *instants)},
    }


def _listed(state: Row, *, closed_at_ms: int) -> Row:
    """What lists sort and filter by."""
    started_ms, ended_ms = state["actual_start_at_ms"], state["actual_end_at_ms"]
    played = started_ms is not None and ended_ms is not None
    return {
        "tariff_id": state["tariff"]["id"],
        "start_at_ms": state["planned_start_at_ms"] if started_ms is None else started_ms,
        "end_at_ms": closed_at_ms if ended_ms is None else ended_ms,
        "played_ms": ended_ms - started_ms if played else 0,
    }


def known_by(told: Mapping[str, int], closed: Iterable[StoredEntity]) -> list[StoredEntity]:
    """Those that have told no more than ``told``; of others the rest is read later, and with it
    they come again. One that cannot be read may be any."""
    found = []
    for stored in closed:
        try:
            count = int(orjson.loads(stored.blob)["state"]["event_seq"])
        except UNREADABLE_ERRORS:
            count = 0
        if count <= told.get(stored.key, 0):
            found.append(stored)
    return found
