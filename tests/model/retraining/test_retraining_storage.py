"""What retraining keeps on the disk, and what may be deleted of it."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model import store
from model.bundle import open_bundle
from model.clinic import kept_images
from model.config import settings
from model.errors import AccessError, InputError, StoreError
from model.people import audit
from model.people.access import COMMAND_LINE, Actor
from model.retraining import retraining_files, retraining_storage
from model.retraining.retraining_files import FILMS, Candidate
from model.retraining.retraining_storage import JOB, SET, UPLOAD, VERSION, delete, items
from model.training import job_store
from model.training.job_host import RUNNING, SUCCEEDED
from model.training.job_store import Job, JobSpec
from model.versions import champion
from tests.model import version_cases as versions
from tests.model.retraining_cases import new_film, say
from tests.model.review_cases import ANN, BOB


@pytest.fixture(autouse=True)
def home(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    settings.cache_clear()
    versions.write_version(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", tmp_path / "shipped")
    return sqlite_home


def serve(name: str, tmp_path: Path, previous: str = "") -> Path:
    """The copy of a version that is promoted; its folder."""
    bundle = versions.write_version(tmp_path / name, model_version=name)
    copy = champion.materialise(bundle.folder)
    champion.switch(replace(bundle, folder=copy), "zoe", store.now(), previous)
    return copy


def test_nothing_is_kept_in_an_empty_home() -> None:
    assert items(COMMAND_LINE) == []


def test_the_served_version_and_the_one_before_stay(tmp_path: Path) -> None:
    folders = [serve("first", tmp_path)]
    folders.append(serve("second", tmp_path, "first"))
    folders.append(serve("third", tmp_path, "second"))
    found = {one.name: one for one in items(COMMAND_LINE)}
    assert {name: bool(one.needed) for name, one in found.items()} == {
        "first": False, "second": True, "third": True,
    }  # fmt: skip
    files = [path for path in folders[0].rglob("*") if path.is_file()]
    assert found["first"].num_bytes == sum(path.stat().st_size for path in files)
    for name in ("second", "third"):
        with pytest.raises(InputError, match="Nothing was deleted"):
            delete(COMMAND_LINE, VERSION, name, "tidying up")
    delete(COMMAND_LINE, VERSION, "first", "tidying up")
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_a_version_that_is_promoted_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at what is needed and the deletion itself."""
    first = serve("first", tmp_path)
    serve("second", tmp_path)

    def then_promoted(actor: Actor) -> list[retraining_storage.Item]:
        found = items(actor)
        assert [one.needed for one in found if one.name == "first"] == [""]
        serve("first", tmp_path, "second")
        return found

    monkeypatch.setattr(retraining_storage, "items", then_promoted)
    with pytest.raises(InputError, match=r"it is served\. Nothing was deleted"):
        delete(COMMAND_LINE, VERSION, "first", "tidying up")
    assert champion.look().open().folder == first
    assert audit.entries(COMMAND_LINE) == []


def test_what_cannot_be_put_on_record_is_not_deleted(
    home: Path, tmp_path: Path, monkeypatch
) -> None:
    """The database is full at the commit."""
    first = serve("first", tmp_path)
    serve("second", tmp_path)
    plain = store.writing

    @contextlib.contextmanager
    def full() -> Iterator[object]:
        with plain() as connection:
            yield connection
            raise StoreError("a database that works", "its disk is full", "Nothing was stored.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "writing", full)
        with pytest.raises(StoreError, match="disk is full"):
            delete(COMMAND_LINE, VERSION, "first", "tidying up")
    assert open_bundle(first).model_version == "first"
    (first.parent / ".gone-first" / "half").mkdir(parents=True)  # of a process that was killed
    delete(COMMAND_LINE, VERSION, "first", "tidying up")
    assert [path.name for path in first.parent.iterdir()] == ["second"]


def test_what_a_training_removes_meanwhile_does_no_harm(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "jobs" / "aa" / "films").mkdir(parents=True)
    (home / "jobs" / "aa" / "log.txt").write_text("12345")
    plain = os.scandir

    def late(path: object) -> object:
        if str(path).endswith("films"):
            Path(str(path)).rmdir()
        return plain(path)

    monkeypatch.setattr(os, "scandir", late)
    assert [(one.name, one.num_bytes) for one in items(COMMAND_LINE)] == [("aa", 5)]


def test_an_upload_is_deleted_and_nothing_beside_it(home: Path) -> None:
    (home / "uploads").mkdir(parents=True)
    for name in ("a.zip", "b.zip"):
        (home / "uploads" / name).write_bytes(b"12345")
    assert [(one.kind, one.name, one.num_bytes) for one in items(COMMAND_LINE)] == [
        (UPLOAD, "a.zip", 5), (UPLOAD, "b.zip", 5),
    ]  # fmt: skip
    delete(COMMAND_LINE, UPLOAD, "a.zip", "used")
    assert [path.name for path in (home / "uploads").iterdir()] == ["b.zip"]


@pytest.mark.parametrize("name", ["..", "../pneumoscope.sqlite", "b.zip/../a.zip", ""])
def test_only_what_is_listed_is_deleted(home: Path, name: str) -> None:
    (home / "uploads").mkdir(parents=True)
    (home / "uploads" / "a.zip").write_bytes(b"12345")
    with pytest.raises(InputError, match="something that is kept"):
        delete(COMMAND_LINE, UPLOAD, name, "used")
    assert (home / "uploads" / "a.zip").exists()


def test_only_an_admin_deletes() -> None:
    with pytest.raises(AccessError):
        items(ANN)
    with pytest.raises(AccessError):
        delete(ANN, UPLOAD, "a.zip", "used")


def freeze(*images: str) -> str:
    """A set of these kept images, "autumn"; its hash."""
    films = [
        Candidate(f"review-{one}", one, "PNEUMONIA", "review", one, "training") for one in images
    ]
    folder = retraining_files.write(
        COMMAND_LINE, "autumn", films, lambda one: one.image_sha256.encode(), lambda share: None
    )
    return folder.name


def train(home: Path, job_id: str, set_sha256: str, state: str, model_version: str = "") -> None:
    """A job with its own copy of the set."""
    (home / "jobs" / job_id).mkdir(parents=True)
    (home / "jobs" / job_id / FILMS).hardlink_to(home / "retraining" / set_sha256 / FILMS)
    spec = JobSpec(set_sha256)
    job = Job(job_id, spec, "here", state, store.now(), "zoe", 1, model_version=model_version)
    job_store.add(job)


def test_where_a_deleted_image_still_is_comes_first_and_may_go(home: Path, tmp_path: Path) -> None:
    first, second = (say(ANN, "viral", new_film(seed)) for seed in (1, 2))
    both, other = freeze(first, second), freeze(second)
    serve("trained", tmp_path)
    train(home, "aa", both, SUCCEEDED, model_version="trained")
    train(home, "bb", other, SUCCEEDED)
    before = {(one.kind, one.name): one for one in items(COMMAND_LINE)}
    assert "was trained with it" in before[SET, both].needed
    assert not any(one.num_deleted for one in before.values())

    kept_images.delete(COMMAND_LINE, first, "the family asks for it")
    found = items(COMMAND_LINE)
    assert [(one.kind, one.name, one.num_deleted, one.set_name) for one in found[:2]] == [
        (SET, both, 1, "autumn"), (JOB, "aa", 1, "autumn"),
    ]  # fmt: skip
    assert not any(one.num_deleted for one in found[2:])
    assert [one.needed for one in found[:2]] == ["", ""]
    for one in found[:2]:
        delete(COMMAND_LINE, one.kind, one.name, "holds a deleted image")
    assert not any(one.num_deleted for one in items(COMMAND_LINE))
    assert not any(first.encode() in file.read_bytes() for file in home.rglob(FILMS))
    trail = [(entry.action, entry.subject) for entry in audit.entries(COMMAND_LINE)][:3]
    assert trail[::-1] == [
        ("image deleted", first), ("retraining set deleted", both), ("job deleted", "aa"),
    ]  # fmt: skip


def test_a_training_under_way_keeps_its_set_though_an_image_of_it_was_deleted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = say(ANN, "viral", new_film(1))
    train(home, "aa", freeze(image), RUNNING)
    monkeypatch.setattr("model.training.jobs.jobs", lambda actor: job_store.newest_first())
    kept_images.delete(COMMAND_LINE, image, "the family asks for it")
    found = items(COMMAND_LINE)
    assert [(one.num_deleted, bool(one.needed)) for one in found[:2]] == [(1, True), (1, True)]
    say(BOB, "viral", new_film(1))  # kept again, by another review
    assert not any(one.num_deleted for one in items(COMMAND_LINE))
