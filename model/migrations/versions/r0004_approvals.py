"""An admin's approvals of the labels of reviewed images."""

import sqlalchemy as sa
from alembic import op

from model.migrations.append_only import protect

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """From the trainings that were asked for."""
    names = ("time", "admin", "image_sha256", "label", "reason")
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in names),
        sa.Column("review_id", sa.Integer, sa.ForeignKey("reviews.id"), nullable=False),
    )
    op.create_index("ix_approvals_image_sha256", "approvals", ["image_sha256"])
    protect("approvals")
