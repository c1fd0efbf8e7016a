"""What webhooks still owe."""

import sqlalchemy as sa
from alembic import op

revision = "v0003"
down_revision = "v0002"

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "deliveries",
        sa.Column("number", _LONG, primary_key=True, autoincrement=True),
        sa.Column("chain_id", sa.String(64), nullable=False),
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("source_id", sa.String(80), nullable=False),
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("queued_at_ms", sa.BigInteger, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(120), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    columns = ["chain_id", "webhook_id", "status", "source_id", "number"]
    op.create_index("deliveries_by_source", "deliveries", columns)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("deliveries")
