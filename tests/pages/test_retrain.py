"""The page Admin, tab Retrain: from reviews and base data to a training that was asked for."""

import errno
import hashlib
import io
import os
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model import xray
from model.bundle import Evaluation
from model.clinic import reviews
from model.config import settings
from model.people import audit
from model.people.access import Actor
from model.retraining import retraining_set, retraining_storage
from model.training import jobs
from pages.shared import retraining_services
from pages.shared.manage import when
from tests.model.review_cases import ANN, BOB, film, review
from tests.model.version_cases import write_version
from tests.pages.admin_page import ZOE, Tab
from tests.pages.fake_host import FakeHost
from tests.pages.fake_host import host as host

HOSTILE = "<img src=x onerror=alert(1)> *Bo*"


@pytest.fixture(autouse=True)
def home(sqlite_home: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of a server whose base data are the tiny ones."""
    monkeypatch.setenv("XRAY_DATA", str(tiny_data))
    settings.cache_clear()
    retraining_services._ended_curves.clear()
    return sqlite_home


def say(reader: Actor, number: int, label: str) -> str:
    """A review of the film of this number, which is kept; its hash."""
    shown = film(number)
    said = review(label=label, image_sha256=shown.sha256)
    reviews.add(reader, said, f"{reader.name} {number}", shown)
    return shown.sha256


def looked() -> Tab:
    return Tab("Retrain").press("See what it would hold")


def freeze(name: str = "autumn") -> Tab:
    return looked().type("admin.freeze.name", name).press("Freeze this set")


def test_an_empty_home_says_what_comes_first() -> None:
    shown = Tab("Retrain")
    assert "Nothing was trained here yet" in shown.text
    assert {metric.value for metric in shown.at.metric} == {"0"}
    assert "No set is frozen yet." in shown.text
    assert "Freeze a retraining set first." in shown.text


def test_without_base_data_it_says_how_to_get_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XRAY_DATA")
    settings.cache_clear()
    shown = Tab("Retrain")
    assert "start it with XRAY_DATA" in shown.text
    assert "See what it would hold" not in [button.label for button in shown.at.button]
    assert str(tmp_path) not in shown.text


def test_what_a_set_would_hold_is_shown_with_what_it_leaves_out() -> None:
    agreed = [say(ANN, 1, "viral"), say(BOB, 1, "bacterial")]
    say(ANN, 2, "viral")
    say(BOB, 2, "normal")
    say(ANN, 3, "normal")
    shown = looked()
    assert agreed[0] == agreed[1]
    assert "Readers disagree: 1" in [one.label for one in shown.at.expander]
    assert "Waiting for a second reader: 1" in [one.label for one in shown.at.expander]
    assert "ann says pneumonia, bob says normal" in shown.text
    assert "ann says normal" in shown.text
    counted = {m.label: m.value for m in shown.at.metric}
    assert counted["Reviews"] == "5"
    assert counted["Readers disagree"] == "1"
    assert "Locked test set 4 4 4 0" in shown.text


def test_an_admin_stands_in_for_the_second_reader() -> None:
    image = say(ANN, 3, "normal")
    shown = looked()
    shown.press("Approve this label")
    assert "a reason" in shown.text
    shown = looked().type(f"admin.why.{image}", HOSTILE).press("Approve this label")
    assert "The label is approved." in shown.text
    assert audit.entries(ZOE)[0].action == "label approved"
    shown.press("See what it would hold")
    assert not [one for one in shown.at.expander if "second reader" in one.label]
    [entry] = [
        one
        for one in retraining_set.propose(ZOE, settings().data).entries
        if one.source == "review"
    ]
    assert (entry.image_sha256, entry.label) == (image, "NORMAL")


def test_an_admin_decides_between_readers_who_disagree() -> None:
    image = say(ANN, 2, "viral")
    say(BOB, 2, "normal")
    shown = looked().type(f"admin.why.{image}", "seen on the follow-up film")
    assert "a label among normal and pneumonia" in shown.press("Approve this label").text
    shown = looked().type(f"admin.why.{image}", "seen on the follow-up film")
    shown.at.radio(key=f"admin.label.{image}").set_value("normal")
    assert "The label is approved." in shown.press("Approve this label").text


def test_a_film_of_the_base_data_that_readers_doubt_is_asked_once(tiny_data: Path) -> None:
    path = next((tiny_data / "train" / "NORMAL").iterdir())
    shown = xray.read(path.read_bytes(), path.name)
    for reader, label in ((ANN, "viral"), (BOB, "normal")):
        reviews.add(reader, review(label=label, image_sha256=shown.sha256), reader.name, shown)
    page = looked()
    assert "Readers disagree: 2" in [one.label for one in page.at.expander]
    assert [button.label for button in page.at.button].count("Approve this label") == 1
    assert path.name in page.text


def test_a_set_is_frozen_under_a_name(home: Path) -> None:
    shown = freeze(HOSTILE)
    assert "is frozen" in shown.text
    [frozen] = retraining_set.sets(ZOE)
    assert frozen.name == HOSTILE
    assert frozen.sha256[:12] in shown.text
    assert f"{frozen.counts['training']} training" in shown.text
    assert "<img" not in shown.html
    assert "See what it would hold" in [button.label for button in shown.at.button]


def test_without_a_name_nothing_is_frozen() -> None:
    assert "a name" in freeze(" ").text
    assert retraining_set.sets(ZOE) == []


def test_a_zip_is_taken_in_place_of_the_folder(tiny_data: Path, home: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in tiny_data.rglob("*.jpeg"):
            archive.write(path, path.relative_to(tiny_data))
    shown = upload(packed.getvalue()).press("See what it would hold")
    assert "Locked test set 4 4 4 0" in shown.text
    assert len(list((home / "uploads").glob("*.zip"))) == 1


def upload(data: bytes) -> Tab:
    shown = Tab("Retrain")
    shown.at.radio(key="admin.retrain.base").set_value("zip").run()
    field = shown.at.file_uploader(key="admin.retrain.zip")
    field.set_value(("mine.zip", data, "application/zip")).run()
    return shown


@pytest.mark.parametrize("data", [b"no archive", b"PK\3\4 cut off"])
def test_a_file_that_is_no_archive_is_said(data: bytes) -> None:
    assert "ZIP archive" in upload(data).press("See what it would hold").text


def test_an_upload_that_the_disk_does_not_take_is_said_and_taken_later(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("model.files.os.fsync", full)
        shown = upload(b"PK a ZIP of 2 GB")
        assert "No space left on device. Nothing was taken in." in shown.text
    assert list((home / "uploads").iterdir()) == []
    shown.at.run()
    assert "No space left" not in shown.text
    assert [path.suffix for path in (home / "uploads").iterdir()] == [".zip"]


def test_an_upload_is_hashed_once_however_often_the_page_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed = []
    real = hashlib.sha256
    counting = SimpleNamespace(sha256=lambda data: hashed.append(bytes(data)) or real(data))
    monkeypatch.setattr(retraining_services, "hashlib", counting)
    shown = upload(b"PK once")
    shown.at.run()
    shown.at.run()
    assert hashed == [b"PK once"]


def test_a_folder_of_another_layout_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "one.jpeg").write_bytes(b"")
    monkeypatch.setenv("XRAY_DATA", str(tmp_path / "films"))
    settings.cache_clear()
    assert "NORMAL/ and PNEUMONIA/" in looked().text


def test_a_set_that_cannot_be_frozen_says_why(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shutil.copytree(tiny_data, tmp_path / "data")
    for path in (data / "train" / "NORMAL").iterdir():
        path.unlink()
    monkeypatch.setenv("XRAY_DATA", str(data))
    settings.cache_clear()
    shown = looked()
    assert "0 NORMAL (0 children), 12 PNEUMONIA (6 children)" in shown.text
    assert "Freeze this set" not in [button.label for button in shown.at.button]


def test_a_training_is_asked_for(host: FakeHost) -> None:
    shown = freeze()
    assert "How long it will take is unknown" in shown.text
    shown.at.radio(key="admin.train.config").set_value("quick").run()
    shown.at.number_input(key="admin.train.budget").set_value(30)
    shown.at.text_area(key="admin.train.changes").set_value("epochs=1\n\nbatch_size=8")
    shown.at.selectbox(key="admin.train.folds.True").set_value(5)
    shown.at.number_input(key="admin.train.seeds").set_value(3)
    shown.press("Start the training")
    [job] = jobs.jobs(ZOE)
    assert f"Job {job.id} is in the queue" in shown.text
    assert (job.by, job.host, job.spec.config, job.spec.init) == (
        "zoe", "local", "quick", "scratch",
    )  # fmt: skip
    assert (job.spec.budget_minutes, job.spec.changes) == (30, ("epochs=1", "batch_size=8"))
    assert (job.spec.folds, job.spec.seeds) == (5, 3)
    assert job.spec.set_sha256 == retraining_set.sets(ZOE)[0].sha256


def test_no_cross_validation_is_offered_from_the_served_version(host: FakeHost) -> None:
    shown = freeze()
    [folds] = [field for field in shown.at.selectbox if "folds" in field.key]
    assert (folds.disabled, folds.value) == (True, 1)
    assert "No cross-validation from the version that is served" in shown.text
    shown.at.selectbox(key="admin.train.init.lungs").set_value("imagenet").run()
    assert "No cross-validation" not in shown.text
    shown.at.selectbox(key="admin.train.folds.True").set_value(5).run()
    shown.at.selectbox(key="admin.train.init.lungs").set_value("champion").run()
    shown.press("Start the training")
    assert [(job.spec.init, job.spec.folds) for job in jobs.jobs(ZOE)] == [("champion", 1)]


def test_a_training_in_vain_is_warned_of_before_it_is_frozen_and_before_it_starts(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_vain = "cannot be promoted. The served version was judged on other films"
    shown = looked()
    assert shown.text.count(in_vain) == 1
    shown = shown.type("admin.freeze.name", "autumn").press("Freeze this set")
    assert shown.text.count(in_vain) == 1
    films = sorted((tiny_data / "test").rglob("*.jpeg"))
    served = write_version(tmp_path / "served", evaluations={"test": judged(films)})
    monkeypatch.setenv("XRAY_BUNDLE", str(served.folder))
    settings.cache_clear()
    assert "cannot be promoted" not in looked().text


def judged(films: list[Path]) -> Evaluation:
    labels = np.array([path.parent.name == "PNEUMONIA" for path in films], int)
    names = tuple(path.name for path in films)
    return Evaluation("test split", names, labels, np.float32(labels), names)


def test_a_setting_that_is_none_is_said_before_anything_starts(host: FakeHost) -> None:
    shown = freeze()
    shown.at.text_area(key="admin.train.changes").set_value("epoch=1").run()
    assert "Correct the name." in shown.text
    shown.press("Start the training")
    assert jobs.jobs(ZOE) == []


def test_the_time_is_told_from_an_earlier_training(host: FakeHost) -> None:
    shown = freeze()
    shown.press("Start the training")
    num_images = retraining_services.num_images(retraining_set.sets(ZOE)[0])
    host.says("SUCCEEDED", model_version="vgg16-1")
    host.epochs(8, size_px=96, seconds=60.0)
    host.epochs(8, size_px=128, seconds=120.0, stage=1)
    assert num_images == 24
    shown = Tab("Retrain")
    assert "About 24 minutes" in shown.text
    shown.at.number_input(key="admin.train.seeds").set_value(3).run()
    assert "About 72 minutes" in shown.text


def test_what_came_in_counts_from_the_set_that_was_trained_on_last(host: FakeHost) -> None:
    shown = freeze()
    say(ANN, 1, "viral")  # after the set was frozen: not trained on
    shown.press("Start the training")
    host.says("SUCCEEDED", model_version="vgg16-1")
    [frozen] = retraining_set.sets(ZOE)
    shown = Tab("Retrain")
    assert f"Since the last training's set was frozen, {when(frozen.created)} UTC" in shown.text
    assert {m.label: m.value for m in shown.at.metric}["Reviews"] == "1"


@pytest.mark.parametrize(("config", "state"), [("quick", "SUCCEEDED"), ("lungs", "FAILED")])
def test_trial_runs_and_trainings_that_failed_do_not_count_as_trained_on(
    host: FakeHost, config: str, state: str
) -> None:
    shown = freeze()
    shown.at.radio(key="admin.train.config").set_value(config).run()
    shown.press("Start the training")
    host.says(state)
    assert "Nothing was trained here yet" in Tab("Retrain").text


def test_a_deleted_set_still_tells_that_it_was_trained_on(host: FakeHost) -> None:
    freeze().press("Start the training")
    host.says("SUCCEEDED", model_version="vgg16-1")
    [job] = jobs.jobs(ZOE)
    retraining_storage.delete(ZOE, "retraining set", job.spec.set_sha256, "a trial")
    assert f"frozen, {when(job.created)} UTC" in Tab("Retrain").text


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_set_that_the_disk_does_not_take_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = looked().type("admin.freeze.name", "autumn")
    with monkeypatch.context() as patch:
        patch.setattr("model.retraining.retraining_files.os.fsync", full)
        assert "No space left on device. Nothing was frozen." in shown.press("Freeze this set").text
    assert retraining_set.sets(ZOE) == []
