"""What lists sort and filter by, orders, and the audit."""

import orjson
import sqlalchemy as sa
from alembic import op

revision = "v0005"
down_revision = "v0004"

_ROWS_PER_PART = 500
_LISTED = ("start_at_ms", "end_at_ms", "played_ms")


def upgrade() -> None:
    """Give archived sessions their new columns and make the new tables."""
    with op.batch_alter_table("sessions") as batch:
        batch.add_column(sa.Column("tariff_id", sa.String(64)))
        for name in _LISTED:
            batch.add_column(sa.Column(name, sa.BigInteger))
    _fill()
    with op.batch_alter_table("sessions") as batch:
        batch.alter_column("tariff_id", existing_type=sa.String(64), nullable=False)
        for name in _LISTED:
            batch.alter_column(name, existing_type=sa.BigInteger, nullable=False)
    op.create_index("sessions_by_list", "sessions", ["chain_id", "start_at_ms", "session_id"])
    _make_orders()
    _make_audit()


def _fill() -> None:
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "UPDATE sessions SET start_at_ms = coalesce(actual_start_at_ms, planned_start_at_ms),"
            " end_at_ms = coalesce(actual_end_at_ms, closed_at_ms),"
            " played_ms = coalesce(actual_end_at_ms - actual_start_at_ms, 0)"
        )
    )
    asked = sa.text(
        "SELECT chain_id, session_id, document FROM sessions WHERE tariff_id IS NULL LIMIT :count"
    )
    put = sa.text(
        "UPDATE sessions SET tariff_id = :tariff_id"
        " WHERE chain_id = :chain_id AND session_id = :session_id"
    )
    while rows := connection.execute(asked, {"count": _ROWS_PER_PART}).all():
        connection.execute(
            put,
            [
                {
                    "chain_id": row.chain_id,
                    "session_id": row.session_id,
                    "tariff_id": orjson.loads(bytes(row.document))["state"]["tariff"]["id"],
                }
                for row in rows
            ],
        )


def _make_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("club_id", sa.String(64), nullable=False),
        sa.Column("player_id", sa.String(64)),
        sa.Column("session_id", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("due_minor", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("orders_by_list", "orders", ["chain_id", "created_at_ms", "order_id"])
    op.create_index("orders_by_player", "orders", ["chain_id", "player_id"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("place_ms", sa.BigInteger, primary_key=True),
        sa.Column("place_no", sa.BigInteger, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("club_id", sa.String(64), nullable=False),
        sa.Column("principal", sa.String(128), nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("audit_by_club", "audit", ["chain_id", "club_id", "place_ms", "place_no"])


def downgrade() -> None:
    """Forget what only this shape can say; orders and the audit are lost with it."""
    for table in ("audit", "orders"):
        op.drop_table(table)
    op.drop_index("sessions_by_list", "sessions")
    with op.batch_alter_table("sessions") as batch:
        for name in ("tariff_id", *_LISTED):
            batch.drop_column(name)
