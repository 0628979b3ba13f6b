"""Wires reviews, their queue and their figures to the page; the rights are checked below it."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from model.clinic import agreement, kept_images, review_queue, reviews, worklists
from model.clinic.agreement import Drift, Summary
from model.clinic.review_queue import UNFINISHED
from model.clinic.reviews import Region, Review
from model.clinic.worklists import Reading as WorklistReading
from model.errors import InputError, PneumoscopeError, StoreError
from model.language import N_, _
from model.people.access import Actor
from model.prediction import Gate, Prediction
from model.xray import XRay
from pages.shared import services
from pages.shared.operating_points import Thresholds
from pages.shared.services import Reading

LABELS, CONFIDENCES = reviews.LABELS, reviews.CONFIDENCES
VERDICTS, HEATMAPS = reviews.VERDICTS, reviews.HEATMAPS
MAX_COMMENT = reviews.MAX_COMMENT
OPEN, REVIEWED = N_("open in this session"), N_("reviewed by you")
REFUSED = N_(
    "The gate refused the file of this film. Only its grey picture is kept, which the gate cannot "
    "judge in its place: open the file on the page Read an X-ray."
)
_log = logging.getLogger(__name__)


def words(answer: str) -> str:
    """An answer as people read it. "right" alone is a side of the body elsewhere."""
    return _("Right").lower() if answer == "right" else _(answer)


@dataclass(frozen=True)
class Case:
    """An image that the reader may choose. mine: the reader's last review of it, if any."""

    image: str
    reasons: tuple[str, ...]
    probability: float | None
    mine: Review | None


@dataclass(frozen=True)
class Said:
    """What a reader has entered; `keep`: the image for retraining."""

    label: str
    confidence: str
    verdict: str
    heatmap: str
    regions: tuple[Region, ...]
    comment: str
    keep: bool


def cases(actor: Actor, thresholds: Thresholds, films: Mapping[str, Reading]) -> list[Case]:
    """Films that are open in this session, then the queue, then what the reader has reviewed."""
    mine = {r.image_sha256: r for r in reviews.latest(actor) if r.reader == actor.name}
    queue = {
        case.image_sha256: Case(
            case.image_sha256, case.reasons, case.probability, mine.get(case.image_sha256)
        )
        for case in review_queue.queue(actor, thresholds.of, thresholds.band, thresholds.served)
    }
    new = [image for image in reversed(list(films)) if image not in mine and image not in queue]
    opened = [Case(image, (OPEN,), _probability(films[image]), None) for image in new]
    done = [
        Case(image, (REVIEWED,), review.probability, review)
        for image, review in reversed(mine.items())
        if image not in queue
    ]
    return [*opened, *queue.values(), *done]


def _probability(reading: Reading) -> float | None:
    return reading.prediction.probability if reading.prediction else None


def mine(actor: Actor, case: Case, model_version: str) -> Review | None:
    """The reader's last review of a film that this version has read."""
    if case.mine is None or case.mine.model_version == model_version:
        return case.mine
    said = [review for review in readers(actor, case.image) if review.reader == actor.name]
    return next((one for one in reversed(said) if one.model_version == model_version), None)


def is_unfinished(case: Case) -> bool:
    """Whether the reader has labelled it blinded, and not yet said anything of the verdict."""
    return UNFINISHED in case.reasons


def kept_film(actor: Actor, image: str) -> Reading | None:
    """The film from the kept images. Raises StoreError when its file is gone.

    Its picture alone would pass the gate that has refused its file for the colours, so what was
    refused stays refused.
    """
    try:
        pixels = kept_images.film(actor, image)  # (H, W) uint8, as the network reads it
    except InputError:  # nobody has ticked it
        return None
    pixels.flags.writeable = False
    film = XRay(pixels, (0, 255), "PNG", "", image, pixels.nbytes, 0.0)
    reading = Reading(name_of(image), film)
    if any(review.gate_status == "refused" for review in readers(actor, image)):
        gate = Gate("refused", 2.0, REFUSED)  # the score where refusals begin
        version = services.bundle().model_version
        reading.prediction = Prediction(None, None, None, gate, version)
        reading.read_at = datetime.now(UTC)
    return reading


def name_of(image: str) -> str:
    """What a film without a name is called."""
    return _("film {number}", number=image[:8])


def readers(actor: Actor, image: str) -> list[Review]:
    """All that was said of a film, oldest first."""
    return reviews.history(actor, image)


def store(
    actor: Actor,
    reading: Reading,
    said: Said,
    threshold: float,
    client_key: str,
    corrects: int | None,
    blinded: bool,
) -> Review:
    """Stores what a reader has said of a film and its prediction. Raises PneumoscopeError."""
    prediction = reading.prediction
    assert prediction
    review = Review(
        image_sha256=reading.id,
        model_version=prediction.model_version,
        preprocessing=services.bundle_of(reading).preprocessing,
        threshold=threshold,
        probability=prediction.probability,
        heatmap_sha256=reviews.heatmap_hash(prediction.heatmap),
        gate_status=prediction.gate.status,
        label=said.label,
        confidence=said.confidence,
        verdict=said.verdict,
        heatmap=said.heatmap,
        regions=said.regions,
        comment=said.comment,
        blinded=blinded,
        corrects=corrects,
    )
    try:
        return reviews.add(actor, review, client_key, reading.xray if said.keep else None)
    except PneumoscopeError:
        raise
    except Exception:
        _log.exception("a review was not stored")
        raise StoreError(
            _("a review that can be stored"),
            _("a fault of the server"),
            _("It was not stored. Ask the administrator to look into the server's log."),
        ) from None


def regions(drawn: Any) -> tuple[Region, ...]:
    """What the viewer says was drawn; what is no region is left out."""
    found = []
    for region in drawn if isinstance(drawn, Sequence) else ():
        try:
            points = tuple((float(x), float(y)) for x, y in region["points"])
            found.append(Region(str(region["kind"]), points))
        except (TypeError, ValueError, KeyError):
            _log.warning("the viewer has sent a region of another form")
    return tuple(found)


def as_drawn(stored: Sequence[Region]) -> list[dict[str, Any]]:
    """Stored regions as the viewer wants them."""
    return [
        {"kind": region.kind, "points": [list(point) for point in region.points]}
        for region in stored
    ]


def summary(actor: Actor) -> Summary:
    """Agreement and overrides."""
    return agreement.summary(actor)


@dataclass(frozen=True, eq=False)
class Probabilities:
    """Probabilities that the served version gave to films here (N,) and to the validation (M,)."""

    now: np.ndarray
    validation: np.ndarray
    description: str
    drift: Drift


def probabilities(actor: Actor) -> Probabilities:
    """Of the films of worklists and of reviewed films, read by the served model version.

    Not of those that its gate refused, whatever a reader had it say of them.
    """
    bundle = services.bundle()
    read: list[Review | WorklistReading] = [*reviews.latest(actor)]
    read += worklists.latest_readings(actor, bundle.model_version)
    now = {
        one.image_sha256: one.probability
        for one in read
        if one.model_version == bundle.model_version
        and one.probability is not None
        and one.gate_status != "refused"
    }
    known = next((n for n in ("validation", "test") if n in bundle.evaluations), None)
    before = bundle.probabilities(known) if known else np.zeros(0)
    description = bundle.evaluations[known].description if known else ""
    values = np.array(list(now.values()))
    return Probabilities(values, before, description, agreement.drift(list(values), list(before)))


def is_known(figure: float) -> bool:
    """Whether it is a number."""
    return not math.isnan(figure)


def export(actor: Actor, kind: str) -> bytes:
    """Reviews as "csv" (UTF-8 with a mark, which Excel needs) or "jsonl"."""
    text = reviews.export(actor, kind)
    return text.encode("utf-8-sig" if kind == "csv" else "utf-8")
