"""Which label a reviewed image has for training: never a guess.

An image has a label when two readers' last reviews say the same, normal or pneumonia, and no other
reader says otherwise; or when an admin approves the label that another person gave. An approval
holds until a later review says otherwise. Everything else is listed: readers who disagree, a
single opinion, and what readers agree is no film to train on.

    for one in adjudication.adjudicate(actor):
        one.state, one.label, one.reason
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Row

from model import store
from model.clinic import kept_images, reviews
from model.clinic.review_queue import group
from model.clinic.reviews import Review
from model.errors import InputError
from model.language import N_, _
from model.people import audit
from model.people.access import Actor, require
from model.tables import approvals

LABELS = ("normal", "pneumonia")
SETTLED, CONFLICT, WAITING, UNFIT = "settled", "conflict", "waiting", "unfit"
MAX_REASON = 500  # characters
_COUNTED = {
    "reviews": N_("reviews"),
    "films": N_("films reviewed"),
    SETTLED: N_("with a settled label"),
    CONFLICT: N_("readers disagree"),
    WAITING: N_("wait for a second reader"),
}


@dataclass(frozen=True)
class Adjudicated:
    """One reviewed image that was kept.

    state: "settled", "conflict", "waiting" or "unfit". label: "normal" or "pneumonia" where it is
    settled or waiting, else "". reason: why, for people. is_approved: an admin stands for it.
    """

    image_sha256: str
    state: str
    label: str
    reason: str
    is_approved: bool = False


def adjudicate(actor: Actor) -> list[Adjudicated]:
    """Every image that is kept and was reviewed, in order of its hash; for an admin."""
    require(actor, "admin")
    kept = {image.image_sha256 for image in kept_images.kept(actor)}
    said = _said(actor)
    approved = _approved()
    return [
        _adjudicated(image, said[image], approved.get(image))
        for image in sorted(kept & said.keys())
    ]


def approve(actor: Actor, image_sha256: str, label: str, reason: str) -> None:
    """An admin stands for the label that another person gave to an image.

    Raises InputError for a label that no other reader's last review has, and without a reason.
    """
    require(actor, "admin")
    reason = store.text(reason.strip())
    if label not in LABELS:
        raise InputError(
            _("a label among normal and pneumonia"), repr(label), _("Choose one of them.")
        )
    if not 1 <= len(reason) <= MAX_REASON:
        received = _("{n} characters", n=len(reason)) if reason else _("none")
        raise InputError(
            _("a reason of at most {n} characters", n=MAX_REASON), received, _("Type why.")
        )
    said = reviews.latest(actor, image_sha256)
    if not any(group(one.label) == label and one.reader != actor.name for one in said):
        raise InputError(
            _("an image that another reader's last review calls {label}", label=_(label)),
            _("one that has no such review"),
            _("Ask a second reader to review it: an approval is not the only opinion."),
        )
    row = {
        "time": store.now(), "admin": actor.name, "image_sha256": image_sha256, "label": label,
        "reason": reason, "review_id": max(one.id for one in said),
    }  # fmt: skip
    with store.writing() as connection:
        connection.execute(approvals.insert().values(**row))
        audit.append(
            connection, actor.name, "label approved", image_sha256, label=label, reason=reason
        )


def since(actor: Actor, time: str | None) -> dict[str, int]:
    """What came in after this time (UTC text), or ever: numbers by words for people; an admin's.

    The states are of the films that were kept and reviewed since.
    """
    require(actor, "admin")
    new = [one for one in reviews.latest(actor) if one.time > (time or "")]
    films = {one.image_sha256 for one in new}
    states = [one.state for one in adjudicate(actor) if one.image_sha256 in films]
    numbers = {"reviews": len(new), "films": len(films)}
    return {words: numbers.get(name, states.count(name)) for name, words in _COUNTED.items()}


def _said(actor: Actor) -> dict[str, list[Review]]:
    by_image: dict[str, list[Review]] = defaultdict(list)
    for review in reviews.latest(actor):
        by_image[review.image_sha256].append(review)
    return by_image


def _approved() -> "dict[str, Row[Any]]":
    """The last approval of each image."""
    last = sa.select(sa.func.max(approvals.c.id)).group_by(approvals.c.image_sha256)
    with store.reading() as connection:
        rows = connection.execute(approvals.select().where(approvals.c.id.in_(last))).all()
    return {row.image_sha256: row for row in rows}


def _adjudicated(image: str, said: Sequence[Review], approval: "Row[Any] | None") -> Adjudicated:
    votes = {review.reader: group(review.label) for review in said}
    labels = set(votes.values())
    if approval is not None and all(
        group(one.label) == approval.label for one in said if one.id > approval.review_id
    ):
        reason = _("{who} approved {label}.", who=approval.admin, label=_(approval.label))
        return Adjudicated(image, SETTLED, approval.label, reason, is_approved=True)
    if len(labels) > 1:
        return Adjudicated(image, CONFLICT, "", _("Readers disagree: {told}.", told=_told(votes)))
    (label,) = labels
    if label not in LABELS:
        reason = _("Not for training: {told}.", told=_told(votes))
        return Adjudicated(image, UNFIT, "", reason)
    if len(votes) == 1:
        reason = _("Only one reader so far: {told}.", told=_told(votes))
        return Adjudicated(image, WAITING, label, reason)
    reason = _("{n} readers say {label}.", n=len(votes), label=_(label))
    return Adjudicated(image, SETTLED, label, reason)


def _told(votes: dict[str, str]) -> str:
    return ", ".join(
        _("{reader} says {label}", reader=reader, label=_(label))
        for reader, label in sorted(votes.items())
    )
