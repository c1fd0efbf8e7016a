"""Events of PCs and clubs beside those of sessions: numbered per source."""

import sqlalchemy as sa
from alembic import op

revision = "v0002"
down_revision = "v0001"

_COMMON = "chain_id, seq, entry_id, club_id, kind, at_ms, document"


def upgrade() -> None:
    """Key events by what they happened to; until now that was a session."""
    _make("events_new", sa.Column("source_id", sa.String(80), primary_key=True), keeps=True)
    op.execute(
        f"INSERT INTO events_new ({_COMMON}, source_id, session_id) "  # noqa: S608 - constants
        f"SELECT {_COMMON}, 'session:' || session_id, session_id FROM events"
    )
    _replace()
    op.create_index("events_by_session", "events", ["chain_id", "session_id"])


def downgrade() -> None:
    """Only events of sessions find their place in the older shape."""
    op.drop_index("events_by_session", "events")
    _make("events_new", sa.Column("session_id", sa.String(64), primary_key=True), keeps=False)
    op.execute(
        f"INSERT INTO events_new ({_COMMON}, session_id) "  # noqa: S608 - constants
        f"SELECT {_COMMON}, session_id FROM events WHERE source_id LIKE 'session:%'"
    )
    _replace()


def _make(name: str, key: "sa.Column[str]", *, keeps: bool) -> None:
    columns: list[sa.Column[str]] = [sa.Column("session_id", sa.String(64))] if keeps else []
    op.create_table(
        name,
        sa.Column("chain_id", sa.String(64), primary_key=True),
        key,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("entry_id", sa.String(48), nullable=False),
        sa.Column("club_id", sa.String(64), nullable=False),
        *columns,
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )


def _replace() -> None:
    op.drop_index("events_by_time", "events")
    op.drop_table("events")
    op.rename_table("events_new", "events")
    op.create_index("events_by_time", "events", ["chain_id", "club_id", "at_ms"])
