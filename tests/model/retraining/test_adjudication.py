"""Which label a reviewed image has: two readers, or one and an admin; nobody guesses."""

import itertools

import pytest

from model import store
from model.clinic import kept_images, reviews
from model.errors import AccessError, InputError, StoreError
from model.people import audit
from model.people.access import Actor
from model.retraining import adjudication
from model.tables import approvals
from tests.model.review_cases import ADMIN, ANN, BOB, CAT, HOSTILE, film, review, sha256

counter = itertools.count()


def say(reader: Actor, label: str, image: str, keep: bool = True, **changes) -> reviews.Review:
    """A review of film 1, or of an image without a film."""
    said = review(image_sha256=image, label=label, **changes)
    return reviews.add(reader, said, f"key {next(counter)}", film(1) if keep else None)


IMAGE = film(1).sha256


def state() -> tuple[str, str]:
    (one,) = adjudication.adjudicate(ADMIN)
    assert one.image_sha256 == IMAGE
    return one.state, one.label


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([(ANN, "viral")], ("waiting", "pneumonia")),
        ([(ANN, "viral"), (BOB, "bacterial")], ("settled", "pneumonia")),
        ([(ANN, "normal"), (BOB, "normal")], ("settled", "normal")),
        ([(ANN, "normal"), (BOB, "viral")], ("conflict", "")),
        ([(ANN, "normal"), (BOB, "normal"), (CAT, "viral")], ("conflict", "")),
        ([(ANN, "normal"), (BOB, "normal"), (CAT, "other finding")], ("conflict", "")),
        ([(ANN, "unusable image")], ("unfit", "")),
        ([(ANN, "other finding"), (BOB, "other finding")], ("unfit", "")),
    ],
)
def test_two_readers_who_agree_settle_a_label(sqlite_home, said, expected):
    for reader, label in said:
        say(reader, label, IMAGE)
    assert state() == expected


def test_one_reader_twice_is_one_opinion(sqlite_home):
    first = say(ANN, "normal", IMAGE)
    say(ANN, "normal", IMAGE, corrects=first.id)
    assert state() == ("waiting", "normal")


def test_the_last_review_of_a_reader_counts(sqlite_home):
    first = say(ANN, "normal", IMAGE)
    say(BOB, "viral", IMAGE)
    assert state() == ("conflict", "")
    say(ANN, "viral", IMAGE, corrects=first.id)
    assert state() == ("settled", "pneumonia")


def test_only_images_that_are_kept_count(sqlite_home):
    for reader in (ANN, BOB):
        say(reader, "viral", IMAGE, keep=False)
    assert adjudication.adjudicate(ADMIN) == []
    say(CAT, "viral", IMAGE)
    assert state() == ("settled", "pneumonia")
    kept_images.delete(ADMIN, IMAGE, "a name on the film")
    assert adjudication.adjudicate(ADMIN) == []


def test_an_approval_settles_a_single_opinion_or_a_conflict(database: str):
    say(ANN, "viral", IMAGE)
    adjudication.approve(ADMIN, IMAGE, "pneumonia", f" {HOSTILE} ")
    assert state() == ("settled", "pneumonia")
    entry = audit.entries(ADMIN)[0]
    assert (entry.actor, entry.action, entry.subject) == ("zoe", "label approved", IMAGE)
    assert entry.details == {"label": "pneumonia", "reason": HOSTILE}
    with pytest.raises(StoreError, match="a change of what was recorded"), store.writing() as on:
        on.execute(approvals.update().values(label="normal"))
    assert state() == ("settled", "pneumonia")


def test_a_later_review_that_says_otherwise_ends_an_approval(sqlite_home):
    say(ANN, "viral", IMAGE)
    say(BOB, "normal", IMAGE)
    adjudication.approve(ADMIN, IMAGE, "normal", "the infiltrate is a rib")
    assert state() == ("settled", "normal")
    say(CAT, "normal", IMAGE)
    assert state() == ("settled", "normal")
    cats = reviews.latest(ADMIN, IMAGE)[-1]
    say(CAT, "viral", IMAGE, corrects=cats.id)
    assert state() == ("conflict", "")
    adjudication.approve(ADMIN, IMAGE, "pneumonia", "seen again")
    assert state() == ("settled", "pneumonia")


@pytest.mark.parametrize(
    ("reader", "label", "approved", "reason", "message"),
    [
        (ANN, "viral", "normal", "why", "another reader's last review calls normal"),
        (ADMIN, "viral", "pneumonia", "why", "not the only opinion"),
        (ANN, "viral", "viral", "why", "normal and pneumonia"),
        (ANN, "viral", "pneumonia", "  ", "a reason"),
        (ANN, "viral", "pneumonia", "x" * 501, "501 characters"),
    ],
)
def test_what_is_no_approval(sqlite_home, reader, label, approved, reason, message):
    say(reader, label, IMAGE)
    with pytest.raises(InputError, match=message):
        adjudication.approve(ADMIN, IMAGE, approved, reason)
    assert state()[0] == "waiting"


def test_an_image_that_nobody_reviewed_cannot_be_approved(sqlite_home):
    with pytest.raises(InputError, match="no such review"):
        adjudication.approve(ADMIN, sha256("other"), "normal", "why")


def test_only_an_admin_may(sqlite_home):
    say(ANN, "viral", IMAGE)
    for call in (
        adjudication.adjudicate,
        lambda actor: adjudication.approve(actor, IMAGE, "pneumonia", "why"),
        lambda actor: adjudication.since(actor, None),
    ):
        with pytest.raises(AccessError, match="role admin"):
            call(BOB)


def test_what_came_in_since(sqlite_home):
    say(ANN, "viral", IMAGE)
    say(ANN, "normal", sha256("not kept"), keep=False)
    counts = adjudication.since(ADMIN, None)
    assert list(counts.values()) == [2, 2, 0, 0, 1]
    now = store.now()
    assert set(adjudication.since(ADMIN, now).values()) == {0}
    say(BOB, "viral", IMAGE)
    assert adjudication.since(ADMIN, now) == {
        "reviews": 1,
        "films reviewed": 1,
        "with a settled label": 1,
        "readers disagree": 0,
        "wait for a second reader": 0,
    }
