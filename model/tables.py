"""The tables of the store, as SQLAlchemy knows them; model/migrations makes them.

Times are text, `2026-11-21T07:48:18.123456Z`: UTC, sorted as they are read, the same in SQLite
and PostgreSQL. Yes and no are 1 and 0. Lists and objects are JSON text.
"""

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, Table, Text, UniqueConstraint

metadata = MetaData()


def _text(name: str, **options: object) -> Column[str]:
    return Column(name, Text, nullable=False, **options)  # type: ignore[arg-type]


# Append-only. `previous` is the hash of the record before, "" for the first.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _text("time"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    _text("details"),
    _text("previous"),
    _text("hash"),
)

# `key` is the name without differences of case: "Ann" and "ann" are one account.
accounts = Table(
    "accounts",
    metadata,
    Column("key", Text, primary_key=True),
    _text("name"),
    _text("role"),
    _text("password_hash"),
    Column("active", Integer, nullable=False),
    _text("created"),
)

# Wrong passwords since the last right one. `key` is the SHA-256 of the account's key: a name that
# no account has may be a password typed into the wrong field.
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    _text("last"),
    _text("blocked_until"),
)

# Browsers that stay signed in. `key` is the SHA-256 of the token in the cookie.
sessions = Table(
    "sessions",
    metadata,
    Column("key", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.key"), nullable=False, index=True),
    _text("created"),
)

# What a model version said of the images of worklists.
readings = Table(
    "readings",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("time"),
    _text("image_sha256", index=True),
    _text("model_version"),
    _text("preprocessing"),
    Column("probability", Float),
    Column("logit", Float),
    _text("heatmap_sha256"),
    _text("gate_status"),
    Column("gate_score", Float),
    _text("gate_reason"),
    Column("overruled", Integer, nullable=False),
    UniqueConstraint("image_sha256", "model_version", "overruled"),
)

worklists = Table(
    "worklists",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("owner"),
    _text("name"),
    _text("created"),
    sqlite_autoincrement=True,  # the number of a deleted list is not given to another
)

# `file` is the name as given: it may name a patient, and goes when the list is deleted.
worklist_files = Table(
    "worklist_files",
    metadata,
    Column("worklist_id", Integer, ForeignKey("worklists.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _text("file"),
    _text("state"),
    _text("image_sha256"),
    Column("reading_id", Integer, ForeignKey("readings.id")),
    _text("error"),
)

# Append-only. `client_key` is drawn by the page for each form: a double click stores one.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("client_key", unique=True),
    _text("time"),
    _text("reader"),
    _text("role"),
    _text("image_sha256", index=True),
    _text("model_version"),
    _text("preprocessing"),
    Column("threshold", Float, nullable=False),
    Column("probability", Float),
    _text("heatmap_sha256"),
    _text("gate_status"),
    _text("label"),
    _text("confidence"),
    _text("verdict"),
    _text("heatmap"),
    _text("regions"),
    _text("comment"),
    Column("blinded", Integer, nullable=False),
    _text("blind_label"),
    Column("corrects", Integer, ForeignKey("reviews.id"), unique=True),
)

# Append-only: what happened to the image of this SHA-256, "kept" or "deleted"; the last counts.
kept_images = Table(
    "kept_images",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("time"),
    _text("image_sha256", index=True),
    _text("event"),
    _text("actor"),
    _text("reason"),
    _text("png_sha256"),
    Column("width_px", Integer),
    Column("height_px", Integer),
    Column("review_id", Integer, ForeignKey("reviews.id")),
)

# A training that was asked for, and what its host said last. `number` is the order of asking;
# `id` names its folder; `handle` is "" until the host has taken this attempt.
jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True),
    _text("id", unique=True),
    _text("actor"),
    _text("created"),
    _text("host"),
    _text("spec"),
    _text("state"),
    _text("handle"),
    _text("message"),
    Column("attempt", Integer, nullable=False),
    _text("model_version"),
    _text("started"),
    _text("ended"),
    sqlite_autoincrement=True,
)

# Append-only: an admin stands for the label of an image; the last counts, until a later review
# than `review_id`, the newest at that time, says otherwise.
approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("time"),
    _text("admin"),
    _text("image_sha256", index=True),
    _text("label"),
    _text("reason"),
    Column("review_id", Integer, ForeignKey("reviews.id"), nullable=False),
)
