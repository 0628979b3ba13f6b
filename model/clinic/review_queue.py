"""Which cases a reader should look at next, and why.

    for case in review_queue.queue(actor, {"v2": 0.42}.get, band=0.05, served="v2"): ...

Everything follows from what is stored: two servers show the same queue, and a control case that
was drawn stays drawn.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from model.clinic import reviews, worklists
from model.clinic.reviews import PNEUMONIA, Review
from model.clinic.worklists import Reading
from model.language import N_
from model.people.access import Actor
from model.prediction import check_range

# In the order of the queue.
UNFINISHED = N_("your verdict is missing")  # a blinded label was stored and no more
READERS = N_("readers disagree")
MODEL = N_("model and reader disagree")
REFUSED = N_("refused by the gate")
UNCERTAIN = N_("near the threshold")
CONTROL = N_("control")
REASONS = (UNFINISHED, READERS, MODEL, REFUSED, UNCERTAIN, CONTROL)
CONTROL_SHARE = 0.05  # of the images that nobody has reviewed


@dataclass(frozen=True)
class Case:
    """An image to review.

    reasons: of `REASONS`, the first the weightiest. probability, model_version: of its reading that
    counts, see `worklists.latest_readings`, or of its last review.
    """

    image_sha256: str
    reasons: tuple[str, ...]
    probability: float | None
    model_version: str


def queue(
    actor: Actor,
    threshold_of: Callable[[str], float | None],
    band: float = 0.05,
    served: str = "",
) -> list[Case]:
    """The cases for this clinician, the weightiest first; those already reviewed are left out.

    threshold_of: at which a reading of this model version is decided; None where that is not known,
    and nothing near it. band: as in `model.prediction.decide`. served: the version that is served.
    """
    check_range("band", band, 0, 0.5)
    said: dict[str, list[Review]] = {}
    for review in reviews.latest(actor):
        said.setdefault(review.image_sha256, []).append(review)
    read = {one.image_sha256: one for one in worklists.latest_readings(actor, served)}
    versions = {one.model_version for one in read.values()}
    thresholds = {version: threshold_of(version) for version in versions}
    cases = []
    for image in sorted(said.keys() | read.keys()):
        if image in said:
            reasons = _after_reviews(actor, said[image])
        else:
            reasons = _before_reviews(read[image], thresholds[read[image].model_version], band)
        last = read[image] if image in read else said[image][-1]
        if reasons:
            cases.append(Case(image, reasons, last.probability, last.model_version))
    return sorted(cases, key=lambda case: REASONS.index(case.reasons[0]))


def group(label: str) -> str:
    """Bacterial, viral and unspecified pneumonia are one: films hardly tell them apart."""
    return "pneumonia" if label in PNEUMONIA else label


def settled(said: list[Review]) -> str | None:
    """The group of labels that two or more readers gave and no other as many; None without one."""
    counts = Counter(group(review.label) for review in said).most_common(2)
    if not counts or counts[0][1] < 2 or (len(counts) == 2 and counts[1][1] == counts[0][1]):
        return None
    return counts[0][0]


def model_group(review: Review) -> str | None:
    """What the model said at the reader's threshold: "pneumonia", "normal", or None if refused."""
    if review.probability is None:
        return None
    return "pneumonia" if review.probability >= review.threshold else "normal"


def disagrees_with_model(review: Review) -> bool:
    """Whether the reader says so, or has called the film the opposite."""
    model, reader = model_group(review), group(review.label)
    opposite = {model, reader} == {"pneumonia", "normal"}
    return review.verdict == "disagree" or opposite


def _after_reviews(actor: Actor, said: list[Review]) -> tuple[str, ...]:
    mine = [review for review in said if review.reader == actor.name]
    if mine:
        open_verdict = mine[-1].blinded and not mine[-1].verdict and mine[-1].corrects is None
        return (UNFINISHED,) if open_verdict and mine[-1].probability is not None else ()
    if settled(said):
        return ()
    reasons = []
    if len({group(review.label) for review in said}) > 1:
        reasons.append(READERS)
    if any(disagrees_with_model(review) for review in said):
        reasons.append(MODEL)
    return tuple(reasons)


def _before_reviews(said: Reading, threshold: float | None, band: float) -> tuple[str, ...]:
    reasons = []
    if said.gate_status == "refused":
        reasons.append(REFUSED)
    if threshold is not None and said.probability is not None:
        check_range("threshold", threshold, 0, 1)
        if abs(said.probability - threshold) < band:
            reasons.append(UNCERTAIN)
    # Drawn by the image itself: no state, and the same on every server.
    control = hashlib.sha256(f"control {said.image_sha256}".encode())
    drawn = int(control.hexdigest()[:8], 16) / 2**32
    if drawn < CONTROL_SHARE:
        reasons.append(CONTROL)
    return tuple(reasons)
