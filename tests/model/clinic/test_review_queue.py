"""The queue of cases to review: why a case is in it, for whom, and when it is settled."""

from pathlib import Path

import pytest

from model.clinic import review_queue, reviews, worklists
from model.clinic.review_queue import (
    CONTROL,
    MODEL,
    READERS,
    REFUSED,
    UNCERTAIN,
    UNFINISHED,
    Case,
)
from model.errors import AccessError, ConfigError
from model.people.access import VISITOR, Actor
from tests.model.review_cases import ANN, BOB, CAT, reading, review, sha256

DAN = Actor("dan", "clinician")


def reasons(actor: Actor, threshold: float = 0.4, band: float = 0.05) -> dict[str, tuple[str, ...]]:
    """By the tests' own names of the images; control cases apart."""
    names = {sha256(name): name for name in "abcdefgh"}
    cases = queue(actor, threshold, band)
    found = {
        names.get(case.image_sha256, "?"): tuple(r for r in case.reasons if r != CONTROL)
        for case in cases
    }
    return {name: why for name, why in found.items() if why}


def queue(actor: Actor, threshold: float = 0.4, band: float = 0.05) -> list[Case]:
    """Of a server that has never served another version than v1."""
    return review_queue.queue(actor, {"v1": threshold}.get, band, "v1")


def say(actor: Actor, label: str, image: str = "a", **changes) -> None:
    reviews.add(actor, review(image, label, **changes), f"{actor.name} {image} {changes}")


def read(**readings: dict) -> None:
    number = worklists.create(ANN, "list", list(readings))
    said = [reading(name, **changes) for name, changes in readings.items()]
    worklists.save_readings(ANN, number, dict(enumerate(said)))


def test_what_was_read_and_needs_a_person(database: str):
    refused = {"probability": None, "logit": None, "gate_status": "refused"}
    read(a={}, b=refused, c={"probability": 0.43}, d={"probability": 0.36}, e={"probability": 0.1})
    assert reasons(ANN) == {"b": (REFUSED,), "c": (UNCERTAIN,), "d": (UNCERTAIN,)}
    assert next(iter(reasons(ANN))) == "b"  # refused before uncertain
    assert reasons(ANN, threshold=0.1) == {"b": (REFUSED,), "e": (UNCERTAIN,)}
    assert reasons(ANN, band=0.0) == {"b": (REFUSED,)}


def test_each_reading_is_held_against_the_threshold_of_its_own_version(database: str):
    read(a={"probability": 0.21}, b={"probability": 0.41})
    read(b={"model_version": "v2", "probability": 0.9}, c={"model_version": "v2"})  # .7
    found = {}
    for served in ("v1", "v2"):
        cases = review_queue.queue(ANN, {"v1": 0.2, "v2": 0.7}.get, 0.05, served)
        found[served] = {c.image_sha256: c for c in cases if c.reasons[0] == UNCERTAIN}
    assert found["v1"].keys() == {sha256("a"), sha256("c")}  # b: .41 by v1, far from its .2
    assert found["v2"].keys() == {sha256("a"), sha256("c")}
    assert found["v2"][sha256("a")].model_version == "v1"
    # v1's card is not here any more: what it said is near nothing.
    cases = review_queue.queue(ANN, {"v2": 0.2}.get, 0.05, "v2")
    assert [case.reasons for case in cases if UNCERTAIN in case.reasons] == []


def test_after_a_rollback_what_the_served_version_said_counts(database: str):
    read(a={"probability": 0.41})
    read(a={"model_version": "v2", "probability": 0.9})
    thresholds = {"v1": 0.4, "v2": 0.7}.get
    assert review_queue.queue(ANN, thresholds, 0.05, "v2") == []
    (case,) = review_queue.queue(ANN, thresholds, 0.05, "v1")
    assert (case.reasons, case.probability, case.model_version) == ((UNCERTAIN,), 0.41, "v1")


def test_a_reader_who_disagrees_with_the_model_calls_for_a_second(database: str):
    say(ANN, "normal")
    assert reasons(ANN) == {}
    assert reasons(BOB) == {"a": (MODEL,)}
    say(BOB, "normal")
    assert reasons(CAT) == {}  # two agree: settled


def test_readers_who_disagree_call_for_a_third(database: str):
    say(ANN, "viral")
    assert reasons(BOB) == {}
    say(BOB, "normal")
    assert reasons(CAT) == {"a": (READERS, MODEL)}
    say(CAT, "bacterial")  # pneumonia as well
    assert reasons(DAN) == {}


def test_kinds_of_pneumonia_are_no_disagreement(database: str):
    say(ANN, "viral")
    say(BOB, "bacterial")
    assert reasons(CAT) == {}


def test_two_against_two_is_not_settled(database: str):
    for actor, label in ((ANN, "viral"), (BOB, "normal"), (CAT, "viral"), (DAN, "normal")):
        say(actor, label)
    assert reasons(Actor("eve", "clinician")) == {"a": (READERS, MODEL)}


def test_agreement_in_words_but_the_opposite_label_counts_as_disagreement(database: str):
    say(ANN, "normal", verdict="agree")
    assert reasons(BOB) == {"a": (MODEL,)}


def test_a_correction_settles_it(database: str):
    first = reviews.add(ANN, review(label="normal"), "1")
    reviews.add(ANN, review(label="viral", corrects=first.id), "2")
    assert reasons(BOB) == {}


def test_a_blinded_label_without_its_verdict_comes_back_to_its_reader_first(database: str):
    read(c={"probability": 0.43}, a={})
    first = reviews.add(ANN, review(label="viral", verdict="", blinded=True), "1")
    assert reasons(ANN) == {"a": (UNFINISHED,), "c": (UNCERTAIN,)}
    assert list(reasons(ANN)) == ["a", "c"]
    reviews.add(ANN, review(label="viral", corrects=first.id), "2")
    assert reasons(ANN) == {"c": (UNCERTAIN,)}


def test_control_cases_are_one_in_twenty_and_stay_drawn(sqlite_home: Path):
    names = [f"film {n}" for n in range(1000)]
    read(**{name: {} for name in names})
    drawn = [case.image_sha256 for case in queue(ANN)]
    assert 30 <= len(drawn) <= 70
    assert all(case.reasons == (CONTROL,) for case in queue(BOB))
    say(BOB, "viral", names[0])
    again = [case.image_sha256 for case in queue(ANN)]
    assert again == [image for image in drawn if image != sha256(names[0])]


def test_a_case_says_what_the_model_said_and_which(database: str):
    say(ANN, "normal")
    cases = {case.image_sha256: case for case in queue(BOB)}
    assert (cases[sha256("a")].probability, cases[sha256("a")].model_version) == (0.9, "v1")


def test_bad_input_is_refused(sqlite_home: Path):
    with pytest.raises(AccessError):
        queue(VISITOR)
    read(a={})
    with pytest.raises(ConfigError, match="threshold"):
        queue(ANN, float("nan"))
