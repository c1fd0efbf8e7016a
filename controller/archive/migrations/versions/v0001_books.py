"""Cursors, transactions with their entries, events, sessions."""

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cursors",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(16), primary_key=True),
        sa.Column("entry_id", sa.String(48), nullable=False),
    )
    op.create_table(
        "transactions",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("transaction_id", sa.String(320), primary_key=True),
        sa.Column("entry_id", sa.String(48), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(64)),
        sa.Column("segment_index", sa.Integer),
        sa.Column("step_index", sa.Integer),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("transaction_id", sa.String(320), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("session_id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("entry_id", sa.String(48), nullable=False),
        sa.Column("club_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    _create_sessions()
    _create_indexes()


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("session_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("club_id", sa.String(64), nullable=False),
        sa.Column("player_id", sa.String(64)),
        sa.Column("pc_id", sa.String(64), nullable=False),
        sa.Column("zone_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("ended_reason", sa.String(32)),
        sa.Column("planned_start_at_ms", sa.BigInteger, nullable=False),
        sa.Column("actual_start_at_ms", sa.BigInteger),
        sa.Column("actual_end_at_ms", sa.BigInteger),
        sa.Column("closed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("total_minor", sa.BigInteger, nullable=False),
        sa.Column("bonus_minor", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )


def _create_indexes() -> None:
    for name, table, columns in (
        ("transactions_by_time", "transactions", ["chain_id", "at_ms"]),
        ("transactions_by_session", "transactions", ["chain_id", "session_id"]),
        ("entries_by_account", "entries", ["chain_id", "account"]),
        ("events_by_time", "events", ["chain_id", "club_id", "at_ms"]),
        ("sessions_by_start", "sessions", ["chain_id", "club_id", "actual_start_at_ms"]),
        ("sessions_by_player", "sessions", ["chain_id", "player_id"]),
        ("sessions_by_pc", "sessions", ["chain_id", "pc_id"]),
    ):
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("sessions", "events", "entries", "transactions", "cursors"):
        op.drop_table(table)
