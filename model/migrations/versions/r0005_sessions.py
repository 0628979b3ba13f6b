"""Browsers that stay signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From approvals."""
    op.create_table(
        "sessions",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, sa.ForeignKey("accounts.key"), nullable=False),
        sa.Column("created", sa.Text, nullable=False),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
