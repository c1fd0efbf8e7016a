"""Where entries stand, what accounts come to, and what a store that went back has lost."""

import sqlalchemy as sa
from alembic import op

revision = "v0004"
down_revision = "v0003"

_LONG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PLACED = ("transactions", "events")
_PARTS = {
    "sqlite": (
        "CAST(substr(entry_id, 1, instr(entry_id, '-') - 1) AS INTEGER)",
        "CAST(substr(entry_id, instr(entry_id, '-') + 1) AS INTEGER)",
    ),
    "postgresql": (
        "CAST(split_part(entry_id, '-', 1) AS BIGINT)",
        "CAST(split_part(entry_id, '-', 2) AS BIGINT)",
    ),
}


def upgrade() -> None:
    """Number the places of entries, add accounts up, make the new tables."""
    for table in _PLACED:
        _place(table)
    with op.batch_alter_table("cursors") as batch:
        batch.add_column(sa.Column("digest", sa.String(64)))
    op.create_table(
        "account_totals",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO account_totals (chain_id, account, amount_minor) "
        "SELECT chain_id, account, sum(amount_minor) FROM entries GROUP BY chain_id, account"
    )
    _make_rewinds()
    _make_gaps()


def _place(table: str) -> None:
    with op.batch_alter_table(table) as batch:
        batch.add_column(sa.Column("place_ms", sa.BigInteger))
        batch.add_column(sa.Column("place_no", sa.BigInteger))
    at_ms, number = _PARTS[op.get_bind().dialect.name]
    op.execute(f"UPDATE {table} SET place_ms = {at_ms}, place_no = {number}")  # noqa: S608 - constants
    with op.batch_alter_table(table) as batch:
        batch.alter_column("place_ms", existing_type=sa.BigInteger, nullable=False)
        batch.alter_column("place_no", existing_type=sa.BigInteger, nullable=False)
    op.create_index(f"{table}_by_place", table, ["chain_id", "place_ms", "place_no"])


def _make_rewinds() -> None:
    op.create_table(
        "rewinds",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(16), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("noted_at_ms", sa.BigInteger, nullable=False),
        sa.Column("kept_entry_id", sa.String(48), nullable=False),
        sa.Column("lost_entry_id", sa.String(48), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
    )
    op.create_table(
        "set_aside",
        sa.Column("number", _LONG, primary_key=True, autoincrement=True),
        sa.Column("chain_id", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("row_id", sa.String(320), nullable=False),
        sa.Column("entry_id", sa.String(48), nullable=False),
        sa.Column("session_id", sa.String(64)),
        sa.Column("noted_at_ms", sa.BigInteger, nullable=False),
        sa.Column("settled", sa.String(16)),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    columns = ["chain_id", "source", "cause", "settled", "number"]
    op.create_index("set_aside_by_cause", "set_aside", columns)


def _make_gaps() -> None:
    op.create_table(
        "gaps",
        sa.Column("chain_id", sa.String(64), primary_key=True),
        sa.Column("source_id", sa.String(80), primary_key=True),
        sa.Column("first", sa.String(48), primary_key=True),
        sa.Column("last", sa.String(48), nullable=False),
        sa.Column("noted_at_ms", sa.BigInteger, nullable=False),
        sa.Column("lost", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Forget what only this shape can say."""
    for table in ("gaps", "set_aside", "rewinds", "account_totals"):
        op.drop_table(table)
    with op.batch_alter_table("cursors") as batch:
        batch.drop_column("digest")
    for table in _PLACED:
        op.drop_index(f"{table}_by_place", table)
        with op.batch_alter_table(table) as batch:
            batch.drop_column("place_no")
            batch.drop_column("place_ms")
