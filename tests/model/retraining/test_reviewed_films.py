"""Reviewed films in a retraining set: which go in, where to, and what they make of base data."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from model import xray
from model.clinic import kept_images
from model.retraining import manifest
from model.retraining import retraining_set as sets
from tests.model.images import encode
from tests.model.retraining_cases import (
    again,
    entries,
    first,
    frozen,
    names,
    new_film,
    propose,
    reasons,
    say,
)
from tests.model.review_cases import ADMIN, ANN, BOB


def test_what_two_readers_agree_on_is_added(home: Path, base: Path):
    data = new_film(1)
    image = say(ANN, "normal", data)
    found = propose(base)
    assert [(one.image_sha256, one.label) for one in found.waiting] == [(image, "normal")]
    assert "ann says normal" in found.waiting[0].reason
    say(BOB, "normal", data)
    one = frozen(base)
    (added,) = [entry for entry in entries(one) if entry.source == "review"]
    assert added.label == "NORMAL"
    assert added.path == f"train/NORMAL/review-{image[:16]}.png"
    assert added.image_sha256 == image
    assert one.counts["from reviews"] == 1
    assert list(entries(one)) == sorted(entries(one))
    with zipfile.ZipFile(one.films) as archive:
        grey = cv2.imdecode(np.frombuffer(archive.read(added.path), np.uint8), 0)
    assert (grey == xray.read(data).display()).all()


def test_reviewed_films_are_trained_on_and_only_those_of_a_known_child_validated_on(
    home: Path, base: Path
):
    child = next(e for e in propose(base).entries if e.split == "validation")
    films = [again(base / child.name), *(new_film(seed) for seed in range(20))]
    label = {"NORMAL": "normal", "PNEUMONIA": "viral"}[child.label]
    images = [say(reader, label, data) for data in films for reader in (ANN, BOB)][::2]
    reviewed = {e.image_sha256: e for e in propose(base).entries if e.source == "review"}
    assert list(reviewed.keys() ^ set(images)) == []
    parts = [(reviewed[image].patient, reviewed[image].split) for image in images]
    assert parts[0] == (child.patient, "validation")
    # One key: two films of one child are on one side in any other division too.
    assert set(parts[1:]) == {(manifest.UNKNOWN_CHILD, "training")}


def test_reviews_alone_are_not_enough_to_train_on(home: Path, base: Path):
    for path in (base / "train" / "NORMAL").iterdir():
        path.write_bytes(b"no picture")
    for seed in range(4):
        for reader in (ANN, BOB):
            say(reader, "normal", new_film(seed))
    told = str(propose(base).problem)
    assert "base data of both labels" in told
    assert "reviewed films are only trained on" in told
    assert "0 NORMAL (0 children), 12 PNEUMONIA (6 children)" in told


def test_what_was_reviewed_after_the_look_came_in_after_the_set(home: Path, base: Path):
    found = propose(base)
    say(ANN, "normal", new_film(1))
    one = sets.freeze(ADMIN, found, "autumn")
    assert sets.since(ADMIN, one.created)["reviews"] == 1


def test_readers_who_disagree_are_listed_until_an_admin_decides(home: Path, base: Path):
    data = new_film(1)
    image = say(ANN, "viral", data)
    say(BOB, "normal", data)
    found = propose(base)
    assert [one.image_sha256 for one in found.conflicts] == [image]
    assert found.conflicts[0].reason == "Readers disagree: ann says pneumonia, bob says normal."
    assert len(found.entries) == 32
    sets.approve(ADMIN, image, "pneumonia", "seen again together")
    found = propose(base)
    assert found.conflicts == ()
    assert [e.label for e in found.entries if e.source == "review"] == ["PNEUMONIA"]


def test_a_review_that_says_what_the_base_data_say_is_the_same_film(home: Path, base: Path):
    path = first(base)
    for reader in (ANN, BOB):
        image = say(reader, "normal", path.read_bytes())
    found = propose(base)
    assert len(found.entries) == 32
    assert names(found, "duplicates") == [f"review-{image[:16]}"]


def test_base_data_that_readers_contradict_are_left_out_until_an_admin_decides(
    home: Path, base: Path
):
    path = first(base)
    for reader in (ANN, BOB):
        image = say(reader, "bacterial", path.read_bytes())
    inside = path.relative_to(base).as_posix()
    found = propose(base)
    assert names(found, "conflicts") == sorted([f"review-{image[:16]}", inside])
    assert "under two labels" in found.conflicts[0].reason
    assert len(found.entries) == 31
    sets.approve(ADMIN, image, "pneumonia", "the base data are wrong")
    found = propose(base)
    assert found.conflicts == ()
    assert names(found, "duplicates") == [inside]
    (entry,) = [e for e in found.entries if e.image_sha256 == image]
    assert (entry.label, entry.source) == ("PNEUMONIA", "review")
    assert entry.patient == manifest.patient_key(path.stem)  # it is a film of that child still


def test_base_data_of_which_readers_disagree_or_that_they_cannot_use_are_left_out(
    home: Path, base: Path
):
    one, two = sorted((base / "train" / "NORMAL").iterdir())[:2]
    say(ANN, "normal", one.read_bytes())
    say(BOB, "viral", one.read_bytes())
    for reader in (ANN, BOB):
        say(reader, "unusable image", two.read_bytes())
    found = propose(base)
    left = {path.relative_to(base).as_posix() for path in (one, two)}
    assert not left & set(names(found))
    assert left <= set(names(found, "conflicts"))
    assert "ann says unusable image" in " ".join(reasons(found, "bad").values())


@pytest.mark.parametrize("form", ["the same picture", "nearly the same"])
def test_a_doubted_film_is_left_out_in_every_form(home: Path, base: Path, form: str):
    path = first(base)
    data = path.read_bytes()
    image = say(ANN, "viral", data)
    say(BOB, "normal", data)
    shown = xray.read(data).display()
    path.write_bytes(encode(shown, "PNG") if form == "the same picture" else again(path))
    inside = path.relative_to(base).as_posix()
    found = propose(base)
    assert inside not in names(found)
    assert reasons(found, "conflicts")[inside] == (
        "Readers disagree: ann says pneumonia, bob says normal."
    )
    larger = encode(cv2.resize(shown, (200, 170), interpolation=cv2.INTER_CUBIC), "PNG")
    for reader in (ANN, BOB):  # on another copy they agree: still nobody guesses
        copy = say(reader, "normal", larger)
    found = propose(base)
    assert names(found, "conflicts") == sorted(
        [f"review-{i[:16]}" for i in (image, copy)] + [inside]
    )
    sets.approve(ADMIN, copy, "normal", "seen again together")
    assert [e.image_sha256 for e in propose(base).entries if e.source == "review"] == [copy]


def test_a_kept_film_that_is_gone_is_listed(home: Path, base: Path):
    for reader in (ANN, BOB):
        image = say(reader, "normal", new_film(1))
    kept_images.path_of(image).unlink()
    found = propose(base)
    assert "its file is missing" in reasons(found, "bad")[f"review-{image[:16]}"]
    assert len(found.entries) == 32
