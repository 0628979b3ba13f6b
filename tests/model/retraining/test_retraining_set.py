"""Base data and reviews -> a frozen set: what goes in, what is left out and why."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from model import xray
from model.config import settings
from model.errors import AccessError, DataError, InputError
from model.people import audit
from model.retraining import locked_test, manifest
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


def test_base_data_alone(home: Path, base: Path):
    shares: list[float] = []
    found = sets.propose(ADMIN, base, shares.append)
    assert len(found.entries) == 32
    assert found.problem is None
    for kind in ("conflicts", "waiting", "duplicates", "near_duplicates", "refused", "bad"):
        assert getattr(found, kind) == ()
    by_split = {s: [e for e in found.entries if e.split == s] for s in manifest.SPLITS}
    for inside in by_split.values():
        assert {entry.label for entry in inside} == {"NORMAL", "PNEUMONIA"}
    assert names(found)[:8] == sorted(entry.name for entry in by_split["test"])
    assert all(entry.name.startswith("test/") for entry in by_split["test"])
    mine, theirs = ({e.patient for e in by_split[s]} for s in ("training", "validation"))
    assert len(mine) + len(theirs) == 12
    assert not mine & theirs
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert not (home / "retraining").exists()


def test_a_frozen_set_is_a_data_folder_in_one_file(home: Path, base: Path, tmp_path: Path):
    one = frozen(base, "  autumn ")
    assert (one.name, one.by) == ("autumn", "zoe")
    assert one.folder == home / "retraining" / one.sha256
    assert sorted(path.name for path in one.folder.iterdir()) == ["films.zip", "manifest.json"]
    assert one.counts["training"] + one.counts["validation"] == 24
    assert (one.counts["test"], one.counts["from reviews"]) == (8, 0)
    with zipfile.ZipFile(one.films) as archive:
        archive.extractall(tmp_path / "out")
    unpacked = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert unpacked.pop("manifest.json") == (one.folder / "manifest.json").read_bytes()
    given = {p.relative_to(base).as_posix(): p.read_bytes() for p in base.rglob("*.jpeg")}
    assert unpacked == given  # small files stay as they are
    hashes = {entry.path: (entry.sha256, entry.image_sha256) for entry in entries(one)}
    assert hashes == {path: (hashlib.sha256(data).hexdigest(),) * 2 for path, data in given.items()}
    entry = audit.entries(ADMIN)[0]
    assert (entry.actor, entry.action, entry.subject) == (
        "zoe", "retraining set frozen", one.sha256,
    )  # fmt: skip
    assert entry.details["name"] == "autumn"
    assert sets.sets(ADMIN) == [one] == [sets.open_set(one.sha256)]


def test_the_same_films_are_the_same_set_whatever_it_is_called(home: Path, base: Path):
    one = frozen(base)
    before = one.films.stat().st_mtime_ns
    assert frozen(base, "winter") == one
    assert one.films.stat().st_mtime_ns == before
    first(base).unlink()
    other = frozen(base, "winter")
    assert other.sha256 != one.sha256
    assert sets.sets(ADMIN) == [other, one]
    assert len(audit.entries(ADMIN)) == 2


# --- the same film twice --------------------------------------------------------------------------


def test_the_same_picture_is_taken_once_and_is_of_one_child(home: Path, base: Path):
    path = first(base)
    shutil.copy(path, path.with_name("person99_other_child.jpeg"))
    film = xray.read(path.read_bytes()).display()
    path.with_name("zzz.png").write_bytes(encode(film, "PNG"))  # other bytes, the same picture
    found = propose(base)
    assert len(found.entries) == 32
    assert names(found, "duplicates") == [
        "train/NORMAL/person99_other_child.jpeg", "train/NORMAL/zzz.png",
    ]  # fmt: skip
    assert path.name in found.duplicates[0].reason


def test_the_same_picture_under_two_labels_is_left_out(home: Path, base: Path):
    path = first(base)
    shutil.copy(path, base / "train" / "PNEUMONIA" / "person99_virus_1.jpeg")
    found = propose(base)
    assert names(found, "conflicts") == [
        path.relative_to(base).as_posix(), "train/PNEUMONIA/person99_virus_1.jpeg",
    ]  # fmt: skip
    assert len(found.entries) == 31


def test_nearly_the_same_picture_is_shown_and_stays_with_its_child(home: Path, base: Path):
    path = first(base)
    (path.parent / "unknown.jpg").write_bytes(again(path))
    found = propose(base)
    assert len(found.entries) == 33
    assert names(found, "near_duplicates") == ["train/NORMAL/unknown.jpg"]
    assert path.name in found.near_duplicates[0].reason
    patients = {e.name: (e.patient, e.split) for e in found.entries}
    inside = path.relative_to(base).as_posix()
    assert patients["train/NORMAL/unknown.jpg"] == patients[inside]


def test_nearly_the_same_picture_under_two_labels_is_left_out(home: Path, base: Path):
    path = first(base)
    (base / "train" / "PNEUMONIA" / "unknown.jpg").write_bytes(again(path))
    found = propose(base)
    assert len(found.conflicts) == 2
    assert len(found.entries) == 31


# --- the locked test set --------------------------------------------------------------------------


@pytest.mark.parametrize("with_films", [True, False])
def test_films_of_the_locked_test_set_are_refused(home: Path, base: Path, with_films: bool):
    """Also where nothing but its list is there."""
    test = sorted((base / "test" / "PNEUMONIA").iterdir())[0]
    into = base / "train" / "PNEUMONIA"
    shutil.copy(test, into / "renamed.jpeg")
    film = xray.read(test.read_bytes()).display()
    (into / "saved.png").write_bytes(encode(film, "PNG"))
    (into / "exported.jpg").write_bytes(again(test))
    if not with_films:
        locked_test.write(settings().bundle, sorted((base / "test").rglob("*.jpeg")))
        shutil.rmtree(base / "test")
    found = propose(base)
    assert {Path(name).name: reason[:24] for name, reason in reasons(found, "refused").items()} == {
        "renamed.jpeg": "The same file is in the ",
        "saved.png": "The same picture is in t",
        "exported.jpg": "Nearly the same picture ",
    }
    assert len(found.entries) == (32 if with_films else 24)


def test_a_reviewed_film_of_the_locked_test_set_is_refused(home: Path, base: Path):
    test = sorted((base / "test" / "NORMAL").iterdir())[0]
    for reader in (ANN, BOB):
        image = say(reader, "normal", test.read_bytes())
    found = propose(base)
    assert names(found, "refused") == [f"review-{image[:16]}"]
    assert not [entry for entry in found.entries if entry.source == "review"]


def test_the_test_part_is_that_of_xray_data(
    home: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = Path(shutil.copytree(base, tmp_path / "data"))
    removed = sorted((base / "test" / "NORMAL").iterdir())[0]
    removed.write_bytes(new_film(5))
    monkeypatch.setenv("XRAY_DATA", str(data))
    settings.cache_clear()
    found = propose(base)
    assert len(found.refused) == 8
    assert "the locked test set of this server, not this one" in found.refused[0].reason
    with zipfile.ZipFile(sets.freeze(ADMIN, found, "a").films) as archive:
        for path in (data / "test").rglob("*.jpeg"):
            assert archive.read(path.relative_to(data).as_posix()) == path.read_bytes()


# --- what cannot be frozen -----------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["one class", "3 images", "unreadable"])
def test_too_little_to_train_on(home: Path, base: Path, keep: str):
    shutil.rmtree(base / "test")
    films = sorted(base.rglob("*.jpeg"))
    left = films[12:] if keep == "one class" else [films[0], films[1], films[-1]]
    for path in films:
        if keep == "unreadable":
            path.write_bytes(b"\xff\xd8\xff\xe0 no picture")
        elif path not in left:
            path.unlink()
    found = propose(base)
    told = {
        "one class": "0 NORMAL \\(0 children\\), 12 PNEUMONIA \\(6 children\\)",
        "3 images": "2 NORMAL \\(1 child\\), 1 PNEUMONIA \\(1 child\\)",
        "unreadable": "0 NORMAL \\(0 children\\), 0 PNEUMONIA \\(0 children\\)",
    }[keep]
    assert len(found.bad) == (24 if keep == "unreadable" else 0)
    with pytest.raises(DataError, match=r"both labels, each of two children or more.*" + told):
        sets.freeze(ADMIN, found, "a")
    assert sets.sets(ADMIN) == []


def test_a_test_part_with_one_label(home: Path, base: Path):
    shutil.rmtree(base / "test" / "NORMAL")
    assert "only PNEUMONIA" in str(propose(base).problem)


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_a_set_needs_a_name(home: Path, base: Path, name: str):
    with pytest.raises(InputError, match="a name of at most 80 characters"):
        sets.freeze(ADMIN, propose(base), name)


def test_only_an_admin_may(home: Path, base: Path):
    found = propose(base)
    for call in (
        lambda: sets.propose(ANN, base),
        lambda: sets.freeze(ANN, found, "a"),
        lambda: sets.sets(ANN),
    ):
        with pytest.raises(AccessError, match="role admin"):
            call()
