"""What the audit is looked through by: who asked, and when."""

from alembic import op

revision = "v0006"
down_revision = "v0005"


def upgrade() -> None:
    """Make the indexes."""
    place = ["place_ms", "place_no"]
    op.create_index("audit_by_principal", "audit", ["chain_id", "principal", *place])
    op.create_index("audit_by_time", "audit", ["chain_id", "at_ms"])


def downgrade() -> None:
    """Drop them."""
    for name in ("audit_by_time", "audit_by_principal"):
        op.drop_index(name, "audit")
