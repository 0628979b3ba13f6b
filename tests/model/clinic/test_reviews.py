"""Reviews: kept as given, append-only, one for a double click, corrections that name the old."""

import csv
import io
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from model import store
from model.clinic import kept_images, reviews
from model.clinic.reviews import LABELS, Region, Review
from model.errors import AccessError, InputError, StoreError
from model.people import audit
from model.people.access import VISITOR, Actor
from tests.model.review_cases import ADMIN, ANN, BOB, HOSTILE, film, review, sha256

ROOT = Path(__file__).resolve().parents[3]
BOX = Region("box", ((0.1, 0.2), (0.5, 0.6)))
OUTLINE = Region("outline", ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)))


def test_a_review_comes_back_as_it_was_given(database: str):
    given = review(heatmap="partly", regions=(BOX, OUTLINE), comment=HOSTILE)
    stored = reviews.add(ANN, given, "key")
    assert reviews.history(ANN, given.image_sha256) == [stored]
    filled = {"id": stored.id, "time": stored.time, "reader": "ann", "role": "clinician"}
    assert stored == replace(given, **filled)
    assert stored.time.endswith("Z")


def test_hostile_names_of_readers_come_back(database: str):
    reader = Actor(HOSTILE, "clinician")
    stored = reviews.add(reader, review(), "key")
    assert reviews.latest(BOB)[0].reader == HOSTILE
    assert reviews.add(reader, review(corrects=stored.id), "key 2").corrects == stored.id


def test_a_double_click_stores_one(database: str):
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda _: reviews.add(ANN, review(), "key"), range(4)))
    assert len({one.id for one in stored}) == 1
    assert len(reviews.history(ANN, review().image_sha256)) == 1


def test_a_correction_names_the_old_record_and_both_stay(database: str):
    first = reviews.add(ANN, review(label="viral"), "1")
    second = reviews.add(ANN, review(label="normal", corrects=first.id), "2")
    other = reviews.add(BOB, review(label="bacterial"), "3")
    assert reviews.history(ANN, first.image_sha256) == [first, second, other]
    assert reviews.latest(ANN, first.image_sha256) == [second, other]
    assert reviews.latest(ANN, sha256("b")) == []


def test_what_can_not_be_corrected(database: str):
    first = reviews.add(ANN, review(), "1")
    reviews.add(ANN, review(corrects=first.id), "2")
    for actor, given in (
        (ANN, review(corrects=first.id)),  # corrected already, in another tab
        (BOB, review(corrects=first.id)),  # another reader's
        (ANN, review("b", corrects=first.id)),  # another image's
        (ANN, review(corrects=999)),
        (ANN, review()),  # a second one that names none
    ):
        with pytest.raises(InputError, match="Open the case again"):
            reviews.add(actor, given, "3")
    assert len(reviews.history(ANN, first.image_sha256)) == 2


def test_another_model_version_may_be_reviewed_too(database: str):
    reviews.add(ANN, review(), "1")
    newer = reviews.add(ANN, review(model_version="v2"), "2")
    assert reviews.latest(ANN) == [newer]


def test_a_blinded_label_is_stored_first_and_can_not_be_changed(database: str):
    first = reviews.add(ANN, review(label="normal", verdict="", blinded=True), "1")
    assert (first.blinded, first.blind_label, first.verdict) == (True, "normal", "")
    second = reviews.add(
        ANN,
        review(label="viral", verdict="agree", corrects=first.id, blind_label="viral"),
        "2",
    )
    assert (second.blinded, second.blind_label, second.label) == (True, "normal", "viral")
    assert second.first_label == "normal"
    third = reviews.add(ANN, review(label="bacterial", corrects=second.id, blinded=False), "3")
    assert (third.blinded, third.blind_label) == (True, "normal")


@pytest.mark.parametrize(
    "given",
    [
        review(label="tumour"),
        review(confidence="5"),
        review(verdict="perhaps"),
        review(verdict=""),  # the model gave a probability
        review(probability=None),  # and here it did not
        review(verdict="agree", blinded=True),  # seen already?
        review(verdict="", heatmap="right", blinded=True),
        review(heatmap="nice"),
        review(gate_status="open"),
        review(threshold=1.1),
        review(threshold=float("nan")),
        review(probability=float("nan")),
        review(image_sha256="../../etc/passwd"),
        review(heatmap_sha256="x"),
        review(comment="x" * 4001),
        review(regions=(Region("box", ((0.5, 0.5), (0.4, 0.6))),)),
        review(regions=(Region("box", ((0.5, 0.5), (0.6, 1.6))),)),
        review(regions=(Region("box", ((0.5, 0.5), (0.6, float("nan")))),)),
        review(regions=(Region("outline", ((0.5, 0.5), (0.6, 0.6))),)),
        review(regions=(Region("star", OUTLINE.points),)),
        review(regions=(BOX,) * 51),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(sqlite_home: Path, given: Review):
    with pytest.raises(InputError, match="Correct the review"):
        reviews.add(ANN, given, "key")
    assert reviews.latest(ANN) == []


def test_a_refused_image_is_reviewed_without_a_verdict(database: str):
    given = review(probability=None, heatmap_sha256="", gate_status="refused", verdict="")
    assert reviews.add(ANN, given, "key").probability is None


def test_a_visitor_may_do_none_of_it(sqlite_home: Path):
    image = review().image_sha256
    for call in (
        lambda: reviews.add(VISITOR, review(), "key"),
        lambda: reviews.history(VISITOR, image),
        lambda: reviews.latest(VISITOR),
        lambda: reviews.export(VISITOR, "csv"),
    ):
        with pytest.raises(AccessError, match="role clinician"):
            call()


@pytest.mark.parametrize("statement", ["UPDATE reviews SET label = 'x'", "DELETE FROM reviews"])
def test_the_database_refuses_to_change_a_review(database: str, statement: str):
    stored = reviews.add(ANN, review(), "key")
    with pytest.raises(StoreError, match="Add a new record instead"), store.writing() as connection:
        connection.exec_driver_sql(statement)
    assert reviews.latest(ANN) == [stored]


def test_export_holds_everything_and_is_recorded(database: str):
    stored = [
        reviews.add(ANN, review(comment=HOSTILE, regions=(BOX,)), "1"),
        reviews.add(BOB, review(label="normal", comment='two\nlines, "quoted"'), "2"),
    ]
    lines = [json.loads(line) for line in reviews.export(ADMIN, "jsonl").splitlines()]
    assert lines == [json.loads(json.dumps(asdict(one))) for one in stored]
    rows = list(csv.DictReader(io.StringIO(reviews.export(ADMIN, "csv"), newline="")))
    assert [row["comment"] for row in rows] == [HOSTILE, 'two\nlines, "quoted"']
    assert json.loads(rows[0]["regions"]) == [{"kind": "box", "points": [[0.1, 0.2], [0.5, 0.6]]}]
    entry = audit.entries(ADMIN)[0]
    assert (entry.actor, entry.action) == ("zoe", "reviews exported")
    assert entry.details == {"kind": "csv", "num_records": 2}


def test_a_clinician_exports_the_own_reviews_only(database: str):
    reviews.add(ANN, review(), "1")
    reviews.add(BOB, review(), "2")
    rows = list(csv.DictReader(io.StringIO(reviews.export(BOB, "csv"))))
    assert [row["reader"] for row in rows] == ["bob"]
    with pytest.raises(InputError, match="csv or jsonl"):
        reviews.export(BOB, "xlsx")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_calculates_nothing(database: str, start: str):
    comment = f'{start}HYPERLINK("http://x")'
    reviews.add(Actor(f"{start}ann".strip(), "clinician"), review(comment=comment), "1")
    row = next(csv.DictReader(io.StringIO(reviews.export(ADMIN, "csv"), newline="")))
    assert row["comment"] == f"'{comment}"
    assert not row["reader"].startswith(("=", "+", "-", "@"))
    assert json.loads(reviews.export(ADMIN, "jsonl"))["comment"] == comment


def test_the_hash_of_a_heatmap_is_of_its_values_and_shape():
    heat = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    assert reviews.heatmap_hash(heat) == reviews.heatmap_hash(heat.astype(np.float64))
    assert len({reviews.heatmap_hash(h) for h in (heat, heat.reshape(4, 3), heat / 2, None)}) == 4
    assert reviews.heatmap_hash(None) == ""


@pytest.mark.parametrize("seed", range(3))
def test_whatever_readers_do_history_only_grows(sqlite_home: Path, seed: int):
    """Against a model of two dictionaries: the last record of each, and all in order."""
    drawn = random.Random(seed)
    last: dict[tuple[str, str], Review] = {}
    everything: list[Review] = []
    for number in range(40):
        actor, image = drawn.choice([ANN, BOB]), drawn.choice("abc")
        old = last.get((actor.name, image))
        names = drawn.choice([None, old.id if old else 1])
        given = review(image, drawn.choice(LABELS), verdict="agree", corrects=names)
        fits = names == (old.id if old else None)
        try:
            stored = reviews.add(actor, given, str(number))
        except InputError:
            assert not fits
            continue
        assert fits
        last[actor.name, image] = stored
        everything.append(stored)
    assert reviews.latest(ANN) == sorted(last.values(), key=lambda one: one.id)
    found = [one for image in "abc" for one in reviews.history(ANN, sha256(image))]
    assert sorted(found, key=lambda one: one.id) == everything


def test_a_film_of_another_review_is_not_kept(sqlite_home: Path):
    with pytest.raises(InputError, match="the film of the review"):
        reviews.add(ANN, review(), "key", film(1))
    assert kept_images.kept(ANN) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each death is that of a forked process")
def test_a_killed_process_leaves_all_of_a_review_or_nothing(database: str):
    """Killed between any two writes, to the database or to a file, and in the middle of a file."""
    command = [sys.executable, "-m", "tests.model.kill_review"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for way, least in (("add", 9), ("delete", 5)):
        num_before = found[way].count("nothing")
        num_after = len(found[way]) - num_before
        assert found[way] == ["nothing"] * num_before + ["all"] * num_after
        assert num_before + num_after >= least
        assert num_before > 2
        assert num_after > 1
    assert found["problems"] == []
