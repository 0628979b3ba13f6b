"""Worklists: their owner's, whole after a restart, gone with their file names when deleted."""

from dataclasses import replace
from pathlib import Path

import pytest

from model import store
from model.clinic import worklists
from model.errors import AccessError, InputError
from model.people import audit
from model.people.access import VISITOR
from tests.model.review_cases import ADMIN, ANN, BOB, HOSTILE, reading


def test_a_list_survives_a_restart(database: str):
    number = worklists.create(ANN, HOSTILE, ["a.png", HOSTILE, "ward/b.dcm", "a.png"])
    worklists.save_readings(ANN, number, {0: reading(), 1: f"No X-ray. {HOSTILE}"})
    store.close()
    (one,) = worklists.lists(ANN)
    assert (one.id, one.name) == (number, HOSTILE)
    assert (one.num_pending, one.num_read, one.num_errors) == (2, 1, 1)
    files = worklists.files(ANN, number)
    assert [file.file for file in files] == ["a.png", HOSTILE, "ward/b.dcm", "a.png"]
    assert [file.state for file in files] == ["read", "error", "pending", "pending"]
    stored = files[0].reading
    assert stored == reading(id=stored.id, time=stored.time)
    assert files[1].error == f"No X-ray. {HOSTILE}"


def test_the_same_image_twice_is_one_reading(database: str):
    number = worklists.create(ANN, "Monday", ["a.png", "copy.png", "b.png"])
    worklists.save_readings(ANN, number, {0: reading(), 1: reading(), 2: reading("b")})
    ids = [file.reading.id for file in worklists.files(ANN, number)]
    assert ids[0] == ids[1] != ids[2]
    assert len(worklists.latest_readings(BOB)) == 2


def test_the_last_reading_of_an_image_counts(database: str):
    number = worklists.create(ANN, "Monday", ["a.png"])
    refused = reading(probability=None, logit=None, heatmap_sha256="", gate_status="refused")
    for said in (refused, replace(reading(overruled=True), gate_status="refused")):
        worklists.save_readings(ANN, number, {0: said})
    (last,) = worklists.latest_readings(ANN)
    assert (last.probability, last.overruled) == (0.7, True)
    worklists.save_readings(ANN, number, {0: reading(model_version="v2", probability=0.1)})
    assert [one.model_version for one in worklists.latest_readings(ANN)] == ["v2"]


def test_after_a_rollback_the_reading_of_the_served_version_counts(database: str):
    number = worklists.create(ANN, "Monday", ["a.png", "b.png"])
    newer = reading(model_version="v2", probability=0.1)
    for said in (reading(), newer, reading()):  # v1, promoted v2, taken back to v1
        worklists.save_readings(ANN, number, {0: said})
    worklists.save_readings(ANN, number, {1: reading("b", model_version="v2")})
    served = {one.image_sha256: one for one in worklists.latest_readings(ANN, "v1")}
    assert [one.model_version for one in served.values()] == ["v1", "v2"]
    assert served[reading().image_sha256].probability == 0.7
    assert [one.model_version for one in worklists.latest_readings(ANN, "v2")] == ["v2", "v2"]


def test_a_list_is_its_owners_alone(database: str):
    number = worklists.create(ANN, "Monday", ["Jane Doe.png"])
    assert worklists.lists(BOB) == worklists.lists(ADMIN) == []
    for call in (
        lambda actor: worklists.files(actor, number),
        lambda actor: worklists.save_readings(actor, number, {0: "error"}),
        lambda actor: worklists.delete(actor, number),
    ):
        for actor in (BOB, ADMIN):
            with pytest.raises(InputError, match="a worklist of yours"):
                call(actor)
        with pytest.raises(AccessError, match="role clinician"):
            call(VISITOR)
    assert worklists.files(ANN, number)[0].state == "pending"


def test_a_deleted_list_is_gone_with_its_file_names(database: str):
    number = worklists.create(ANN, "Monday", ["Jane Doe.png"])
    worklists.save_readings(ANN, number, {0: reading()})
    worklists.delete(ANN, number)
    assert worklists.lists(ANN) == []
    with pytest.raises(InputError, match="a worklist of yours"):
        worklists.files(ANN, number)
    assert len(worklists.latest_readings(ANN)) == 1
    assert audit.entries(ADMIN)[0].action == "worklist deleted"
    assert "Jane" not in "".join(audit.export(ADMIN))
    assert worklists.create(BOB, "Monday", ["b.png"]) != number


def test_a_batch_is_saved_whole_or_not(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch):
    number = worklists.create(ANN, "Monday", ["a.png", "b.png"])
    with pytest.raises(AttributeError):
        worklists.save_readings(ANN, number, {0: reading(), 1: None})
    assert [file.state for file in worklists.files(ANN, number)] == ["pending", "pending"]
    assert worklists.latest_readings(ANN) == []


def test_two_thousand_files_and_no_more(sqlite_home: Path):
    number = worklists.create(ANN, "all", [f"{n}.png" for n in range(2000)])
    assert [file.position for file in worklists.files(ANN, number)] == list(range(2000))
    for files in ([], ["x.png"] * 2001):
        with pytest.raises(InputError, match="1 to 2000 files"):
            worklists.create(ANN, "list", files)
    for name in ("  ", "x" * 201):
        with pytest.raises(InputError, match="1 to 200 characters"):
            worklists.create(ANN, name, ["a.png"])
