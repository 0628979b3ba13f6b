"""What readers say about films, verdicts and heatmaps: append-only.

    review = reviews.add(actor, Review(..., label="viral", verdict="disagree"), client_key, xray)

A correction is a new record that names the old one. In blinded mode the reader's own label is
stored first, without a verdict; the record with the verdict then corrects it, and both stay. What
was labelled before the model was seen can not be changed by a correction.
"""

import contextlib
import csv
import hashlib
import io
import json
import math
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from model import store
from model.clinic import kept_images
from model.errors import InputError, PneumoscopeError
from model.language import N_, _
from model.people import audit
from model.people.access import Actor, may, require
from model.tables import reviews
from model.xray import XRay

PNEUMONIA = (N_("bacterial"), N_("viral"), N_("unspecified pneumonia"))
LABELS = (N_("normal"), *PNEUMONIA, N_("other finding"), N_("unusable image"))
CONFIDENCES = (N_("unsure"), N_("fairly sure"), N_("sure"))
VERDICTS = (N_("agree"), N_("disagree"))
HEATMAPS = (N_("right"), N_("partly"), N_("wrong place"), N_("no opinion"))
GATES = ("accepted", "unusual", "refused")
MAX_COMMENT = 4000  # characters
MAX_REGIONS, MAX_POINTS = 50, 500


@dataclass(frozen=True)
class Region:
    """Where a reader sees it. points: (x, y) in 0..1 of the film, from its top left.

    A box has two, top left and bottom right; an outline at least three.
    """

    kind: str  # "box" or "outline"
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Review:
    """One record.

    threshold, probability, heatmap_sha256 (see `heatmap_hash`), gate_status: as the reader had
        them; probability None and heatmap_sha256 "" when the image was refused.
    verdict: on the model's decision; "" when there was none, or none was seen yet.
    blinded: the label was given before the model was seen; `blind_label` is that label.
    corrects: id of the record of the same reader and image that this one replaces.
    From `id` on the store fills it in. time: UTC. role: of the reader at that time.
    """

    image_sha256: str
    model_version: str
    preprocessing: str
    threshold: float
    probability: float | None
    heatmap_sha256: str
    gate_status: str
    label: str
    confidence: str
    verdict: str = ""
    heatmap: str = "no opinion"
    regions: tuple[Region, ...] = ()
    comment: str = ""
    blinded: bool = False
    corrects: int | None = None
    id: int = 0
    time: str = ""
    reader: str = ""
    role: str = ""
    blind_label: str = ""

    @property
    def first_label(self) -> str:
        """The one that the model did not influence, if there is one."""
        return self.blind_label or self.label


def heatmap_hash(heatmap: np.ndarray | None) -> str:
    """SHA-256 of a heatmap (h, w) 0..1 as little-endian float32 and its shape; "" for None."""
    if heatmap is None:
        return ""
    values = np.ascontiguousarray(heatmap, "<f4")
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()


def add(actor: Actor, review: Review, client_key: str, xray: XRay | None = None) -> Review:
    """Stores a review of a clinician and returns it as stored.

    client_key: drawn once for each form that is shown. Sent twice, as by a double click, one
        review is stored and returned twice.
    xray: the film, if the reader has ticked that it be kept.

    Raises InputError for values that are not allowed, a second review of the same image without
    `corrects`, and a correction of another reader's or an already corrected record.
    """
    require(actor, "clinician")
    if xray is not None and xray.sha256 != review.image_sha256:
        raise InputError(_("the film of the review"), _("another film"), _("Report this as a bug."))
    _check(review)
    with store.writing() as connection:
        row = connection.execute(reviews.select().where(reviews.c.client_key == client_key)).first()
        if row and row.reader == actor.name:
            return _review(row)
        new = _fitted(connection, actor, review)
        values = {**_columns(new), "client_key": client_key}
        stored = reviews.insert().values(**values).returning(reviews.c.id)
        number = connection.execute(stored).scalar_one()
        if xray is not None:
            kept_images.keep(connection, actor, xray, number)
    if xray is not None:
        with contextlib.suppress(PneumoscopeError):  # stored it is; the next use tries again
            kept_images.recover()
    return replace(new, id=number)


def history(actor: Actor, image_sha256: str) -> list[Review]:
    """All records of an image, corrected ones too, oldest first; for a clinician."""
    require(actor, "clinician")
    chosen = reviews.select().where(reviews.c.image_sha256 == image_sha256)
    with store.reading() as connection:
        return [_review(row) for row in connection.execute(chosen.order_by(reviews.c.id))]


def latest(actor: Actor, image_sha256: str | None = None) -> list[Review]:
    """The last record of each reader and image, of one image or of all; for a clinician."""
    require(actor, "clinician")
    last = sa.select(sa.func.max(reviews.c.id)).group_by(reviews.c.reader, reviews.c.image_sha256)
    chosen = reviews.select().where(reviews.c.id.in_(last)).order_by(reviews.c.id)
    if image_sha256 is not None:
        chosen = chosen.where(reviews.c.image_sha256 == image_sha256)
    with store.reading() as connection:
        return [_review(row) for row in connection.execute(chosen)]


def export(actor: Actor, kind: str) -> str:
    """All records as "csv" or "jsonl" text: an admin gets all, a clinician the own ones.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it in the CSV.
    """
    require(actor, "clinician")
    if kind not in ("csv", "jsonl"):
        raise InputError(_("csv or jsonl"), repr(kind), _("Choose one of the two."))
    chosen = reviews.select().order_by(reviews.c.id)
    if not may(actor, "admin"):
        chosen = chosen.where(reviews.c.reader == actor.name)
    with store.writing() as connection:
        records = [asdict(_review(row)) for row in connection.execute(chosen)]
        audit.append(
            connection, actor.name, "reviews exported", kind=kind, num_records=len(records)
        )
    if kind == "jsonl":
        return "".join(json.dumps(record) + "\n" for record in records)
    text = io.StringIO()
    table = csv.DictWriter(text, [f.name for f in fields(Review)], lineterminator="\r\n")
    table.writeheader()
    for record in records:
        record["regions"] = json.dumps(record["regions"])
        table.writerow({name: harmless(value) for name, value in record.items()})
    return text.getvalue()


def harmless(value: Any) -> Any:
    """A cell for a CSV file: text that a spreadsheet would calculate gets an apostrophe."""
    starts = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
    return f"'{value}" if isinstance(value, str) and value.startswith(starts) else value


def _fitted(connection: Connection, actor: Actor, review: Review) -> Review:
    """The review with what the store fills in; it must fit to the reader's earlier ones."""
    mine = (reviews.c.reader == actor.name, reviews.c.image_sha256 == review.image_sha256)
    rows = connection.execute(reviews.select().where(*mine).order_by(reviews.c.id)).all()
    earlier = {row.id: row for row in rows}
    replaced = {row.corrects for row in rows}
    blinded, blind_label = review.blinded, review.label if review.blinded else ""
    if review.corrects is not None:
        old = earlier.get(review.corrects)
        if old is None or review.corrects in replaced:
            received = _("one that was corrected already") if old else _("another one")
            raise InputError(
                _("your own last review of this image"), received, _("Open the case again.")
            )
        blinded, blind_label = bool(old.blinded), old.blind_label
    elif any(row.model_version == review.model_version for row in rows):
        raise InputError(
            _("one review of each reader for an image and a model version"),
            _("a second one"),
            _("Open the case again and correct the first."),
        )
    if blinded and review.corrects is None:
        if review.verdict or review.heatmap != "no opinion":
            raise _unfit(_("a label without a verdict while the model is hidden"), _("a verdict"))
    elif bool(review.verdict) != (review.probability is not None):
        raise _unfit(
            _("a verdict where the model gave a probability, and only there"), _("no such")
        )
    return replace(
        review,
        comment=store.text(review.comment),
        blinded=blinded,
        blind_label=blind_label,
        id=0,
        time=store.now(),
        reader=actor.name,
        role=actor.role,
    )


def _columns(review: Review) -> dict[str, Any]:
    values = asdict(review)
    del values["id"]
    regions = json.dumps(values["regions"], allow_nan=False)
    return {**values, "regions": regions, "blinded": int(review.blinded)}


def _review(row: "Row[Any]") -> Review:
    values = row._asdict()
    del values["client_key"]
    regions = tuple(
        Region(region["kind"], tuple((x, y) for x, y in region["points"]))
        for region in json.loads(row.regions)
    )
    return Review(**{**values, "regions": regions, "blinded": bool(row.blinded)})


def _check(review: Review) -> None:
    for name, value, allowed in (
        (N_("label"), review.label, LABELS),
        (N_("confidence"), review.confidence, CONFIDENCES),
        (N_("verdict"), review.verdict, ("", *VERDICTS)),
        (N_("opinion on the heatmap"), review.heatmap, HEATMAPS),
        (N_("gate status"), review.gate_status, GATES),
    ):
        if value not in allowed:
            choices = ", ".join(_(one) for one in allowed if one)
            raise _unfit(_("a {name} among {choices}", name=_(name), choices=choices), repr(value))
    for name, number in (
        (N_("threshold"), review.threshold),
        (N_("probability"), review.probability),
    ):
        if number is not None and not 0 <= number <= 1:
            raise _unfit(_("a {name} between 0 and 1", name=_(name)), str(number))
    for name, sha256 in (
        (N_("image"), review.image_sha256),
        (N_("heatmap"), review.heatmap_sha256),
    ):
        if not re.fullmatch("[0-9a-f]{64}", sha256) and (name == "image" or sha256):
            raise _unfit(_("the SHA-256 of the {name}", name=_(name)), _("something else"))
    if len(review.comment) > MAX_COMMENT:
        received = _("{n} characters", n=len(review.comment))
        raise _unfit(_("a comment of at most {n} characters", n=MAX_COMMENT), received)
    _check_regions(review.regions)


def _check_regions(regions: tuple[Region, ...]) -> None:
    if len(regions) > MAX_REGIONS:
        raise _unfit(_("at most {n} regions", n=MAX_REGIONS), str(len(regions)))
    for region in regions:
        inside = all(
            math.isfinite(value) and 0 <= value <= 1 for point in region.points for value in point
        )
        if region.kind == "box":
            fits = len(region.points) == 2 and all(
                start < end for start, end in zip(*region.points, strict=True)
            )
        else:
            fits = region.kind == "outline" and 3 <= len(region.points) <= MAX_POINTS
        if not (inside and fits):
            raise _unfit(_("boxes and outlines within the film"), _("another region"))


def _unfit(expected: str, received: str) -> InputError:
    return InputError(expected, received, _("Correct the review, then send it again."))
