"""Readings, worklists, reviews and kept images."""

import sqlalchemy as sa
from alembic import op

from model.migrations.append_only import protect

revision = "0002"
down_revision = "0001"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """From the audit trail and the accounts."""
    _readings()
    _worklists()
    _reviews()
    _kept_images()


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("time", "image_sha256", "model_version", "preprocessing"),
        sa.Column("probability", sa.Float),
        sa.Column("logit", sa.Float),
        *_texts("heatmap_sha256", "gate_status"),
        sa.Column("gate_score", sa.Float),
        *_texts("gate_reason"),
        sa.Column("overruled", sa.Integer, nullable=False),
        sa.UniqueConstraint("image_sha256", "model_version", "overruled"),
    )
    op.create_index("ix_readings_image_sha256", "readings", ["image_sha256"])


def _worklists() -> None:
    op.create_table(
        "worklists",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("owner", "name", "created"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "worklist_files",
        sa.Column("worklist_id", sa.Integer, sa.ForeignKey("worklists.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        *_texts("file", "state", "image_sha256"),
        sa.Column("reading_id", sa.Integer, sa.ForeignKey("readings.id")),
        *_texts("error"),
    )


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("client_key", sa.Text, nullable=False, unique=True),
        *_texts("time", "reader", "role", "image_sha256", "model_version", "preprocessing"),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("probability", sa.Float),
        *_texts("heatmap_sha256", "gate_status"),
        *_texts("label", "confidence", "verdict", "heatmap", "regions", "comment"),
        sa.Column("blinded", sa.Integer, nullable=False),
        *_texts("blind_label"),
        sa.Column("corrects", sa.Integer, sa.ForeignKey("reviews.id"), unique=True),
    )
    op.create_index("ix_reviews_image_sha256", "reviews", ["image_sha256"])
    protect("reviews")


def _kept_images() -> None:
    op.create_table(
        "kept_images",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("time", "image_sha256", "event", "actor", "reason", "png_sha256"),
        sa.Column("width_px", sa.Integer),
        sa.Column("height_px", sa.Integer),
        sa.Column("review_id", sa.Integer, sa.ForeignKey("reviews.id")),
    )
    op.create_index("ix_kept_images_image_sha256", "kept_images", ["image_sha256"])
    protect("kept_images")
