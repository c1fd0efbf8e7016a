"""The archive's tables. ``document`` is what the store held, to the byte."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData()
# SQLite numbers rows by itself in a column of exactly this type only.
_LONG = BigInteger().with_variant(Integer, "sqlite")


def _place() -> tuple[Column[int], Column[int]]:
    """The numbers of an ``entry_id``, which compare as entries follow each other."""
    return (
        Column("place_ms", BigInteger, nullable=False),
        Column("place_no", BigInteger, nullable=False),
    )


cursors = Table(
    "cursors",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("stream", String(16), primary_key=True),
    Column("entry_id", String(48), nullable=False),
    # Of the entry's payload. A store that has another one there, or none, went back in time.
    Column("digest", String(64)),
)

transactions = Table(
    "transactions",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("transaction_id", String(320), primary_key=True),
    Column("entry_id", String(48), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("session_id", String(64)),
    Column("segment_index", Integer),
    Column("step_index", Integer),
    Column("document", LargeBinary, nullable=False),
    *_place(),
    Index("transactions_by_place", "chain_id", "place_ms", "place_no"),
    Index("transactions_by_time", "chain_id", "at_ms"),
    Index("transactions_by_session", "chain_id", "session_id"),
)

entries = Table(
    "entries",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("transaction_id", String(320), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("account", String(200), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Index("entries_by_account", "chain_id", "account"),
)

account_totals = Table(
    "account_totals",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("account", String(200), primary_key=True),
    # The sum of the account's rows in ``entries``, kept by whoever adds or takes away rows.
    Column("amount_minor", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("source_id", String(80), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("entry_id", String(48), nullable=False),
    Column("club_id", String(64), nullable=False),
    Column("session_id", String(64)),
    Column("kind", String(48), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    *_place(),
    Index("events_by_place", "chain_id", "place_ms", "place_no"),
    Index("events_by_time", "chain_id", "club_id", "at_ms"),
    Index("events_by_session", "chain_id", "session_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("session_id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("club_id", String(64), nullable=False),
    Column("player_id", String(64)),
    Column("pc_id", String(64), nullable=False),
    Column("zone_id", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("ended_reason", String(32)),
    Column("planned_start_at_ms", BigInteger, nullable=False),
    Column("actual_start_at_ms", BigInteger),
    Column("actual_end_at_ms", BigInteger),
    Column("closed_at_ms", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("bonus_minor", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("tariff_id", String(64), nullable=False),
    Column("start_at_ms", BigInteger, nullable=False),
    Column("end_at_ms", BigInteger, nullable=False),
    Column("played_ms", BigInteger, nullable=False),
    Index("sessions_by_list", "chain_id", "start_at_ms", "session_id"),
    Index("sessions_by_start", "chain_id", "club_id", "actual_start_at_ms"),
    Index("sessions_by_player", "chain_id", "player_id"),
    Index("sessions_by_pc", "chain_id", "pc_id"),
)

orders = Table(
    "orders",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("order_id", String(64), primary_key=True),
    # How much had been told of it: what rises with every change.
    Column("version", Integer, nullable=False),
    Column("club_id", String(64), nullable=False),
    Column("player_id", String(64)),
    Column("session_id", String(64)),
    Column("status", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("due_minor", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("orders_by_list", "chain_id", "created_at_ms", "order_id"),
    Index("orders_by_player", "chain_id", "player_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("place_ms", BigInteger, primary_key=True),
    Column("place_no", BigInteger, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("club_id", String(64), nullable=False),
    Column("principal", String(128), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("result", String(16), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("audit_by_club", "chain_id", "club_id", "place_ms", "place_no"),
    Index("audit_by_principal", "chain_id", "principal", "place_ms", "place_no"),
    Index("audit_by_time", "chain_id", "at_ms"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", _LONG, primary_key=True, autoincrement=True),
    Column("chain_id", String(64), nullable=False),
    Column("webhook_id", String(64), nullable=False),
    Column("source_id", String(80), nullable=False),
    Column("event_id", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("queued_at_ms", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("reason", String(120), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("deliveries_by_source", "chain_id", "webhook_id", "status", "source_id", "number"),
)

rewinds = Table(
    "rewinds",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    Column("stream", String(16), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("noted_at_ms", BigInteger, nullable=False),
    Column("kept_entry_id", String(48), nullable=False),
    Column("lost_entry_id", String(48), nullable=False),
    Column("rows", Integer, nullable=False),
)

set_aside = Table(
    "set_aside",
    metadata,
    Column("number", _LONG, primary_key=True, autoincrement=True),
    Column("chain_id", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("row_id", String(320), nullable=False),
    Column("entry_id", String(48), nullable=False),
    Column("session_id", String(64)),
    Column("noted_at_ms", BigInteger, nullable=False),
    Column("settled", String(16)),
    Column("document", LargeBinary, nullable=False),
    Index("set_aside_by_cause", "chain_id", "source", "cause", "settled", "number"),
)

gaps = Table(
    "gaps",
    metadata,
    Column("chain_id", String(64), primary_key=True),
    # A source of events, or the name of a stream whose entries were trimmed unread.
    Column("source_id", String(80), primary_key=True),
    Column("first", String(48), primary_key=True),
    Column("last", String(48), nullable=False),
    Column("noted_at_ms", BigInteger, nullable=False),
    Column("lost", Boolean, nullable=False),
)
