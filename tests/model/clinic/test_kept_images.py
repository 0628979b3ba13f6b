"""Kept images: pixels only, under the SHA-256 of the upload, deleted with a record."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import store
from model.clinic import kept_images, reviews
from model.config import settings
from model.errors import AccessError, InputError, StoreError
from model.people import audit
from model.people.access import VISITOR
from model.xray import XRay
from tests.model.review_cases import ADMIN, ANN, BOB, HOSTILE, film, review


def keep(xray: XRay, actor=ANN) -> str:
    reviews.add(actor, review(image_sha256=xray.sha256), f"{actor.name} {xray.sha256}", xray)
    return xray.sha256


def all_files() -> list[str]:
    folder = settings().home / "images"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def chunks(png: bytes) -> list[bytes]:
    """The names of the parts of a PNG. Format: W3C PNG 3, 5.3."""
    names, position = [], 8
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        names.append(png[position + 4 : position + 8])
        position += 12 + length
    return names


def test_nothing_is_kept_unless_ticked(database: str):
    reviews.add(ANN, review(image_sha256=film(1).sha256), "key")
    assert kept_images.kept(ANN) == []
    assert all_files() == []


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_kept_is_what_is_shown_and_no_more(database: str, deep: bool):
    xray = film(1, deep)
    image = keep(xray)
    assert all_files() == [f"{image[:2]}/{image}.png"]
    assert (kept_images.film(BOB, image) == xray.display()).all()
    assert kept_images.film(BOB, image).dtype == np.uint8
    png = kept_images.path_of(image).read_bytes()
    assert set(chunks(png)) == {b"IHDR", b"IDAT", b"IEND"}
    (one,) = kept_images.kept(BOB)
    assert (one.image_sha256, one.reader, one.width_px, one.height_px) == (image, "ann", 30, 40)
    assert one.num_bytes == len(png)
    assert kept_images.check() == []


def test_an_image_that_two_readers_keep_is_kept_once(database: str):
    image = keep(film(1))
    assert keep(film(1), BOB) == image
    assert [one.reader for one in kept_images.kept(ANN)] == ["ann"]
    assert len(all_files()) == 1


def test_a_deleted_image_is_gone_and_the_record_stays(database: str):
    image = keep(film(1))
    keep(film(2))
    kept_images.delete(ADMIN, image, f"  {HOSTILE} ")
    assert [one.image_sha256 for one in kept_images.kept(ANN)] == [film(2).sha256]
    assert len(all_files()) == 1
    (record,) = kept_images.deletions(ANN)
    assert (record.image_sha256, record.admin, record.reason) == (image, "zoe", HOSTILE)
    entry = audit.entries(ADMIN)[0]
    assert (entry.action, entry.subject) == ("image deleted", image)
    assert entry.details == {"reason": HOSTILE}
    assert len(reviews.history(ANN, image)) == 1  # what was said of it stays
    with pytest.raises(InputError, match="an image that is kept"):
        kept_images.film(ANN, image)
    assert kept_images.check() == []


def test_a_deleted_image_may_be_kept_again(database: str):
    image = keep(film(1))
    kept_images.delete(ADMIN, image, "by mistake")
    keep(film(1), BOB)
    assert [one.reader for one in kept_images.kept(ANN)] == ["bob"]
    assert len(kept_images.deletions(ANN)) == 1
    assert kept_images.check() == []


def test_who_may_not_delete_or_look(sqlite_home: Path):
    image = keep(film(1))
    with pytest.raises(AccessError, match="role admin"):
        kept_images.delete(ANN, image, "no")
    for call in (kept_images.kept, kept_images.deletions, lambda a: kept_images.film(a, image)):
        with pytest.raises(AccessError, match="role clinician"):
            call(VISITOR)
    assert len(all_files()) == 1


def test_a_film_whose_move_to_its_place_was_cut_off_is_moved_when_it_is_asked_for(
    sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as cut_off:
        cut_off.setattr(kept_images, "recover", lambda: None)
        image = keep(film(1))
    assert all_files() == [f"staged/{image}.png"]
    assert (kept_images.film(BOB, image) == film(1).display()).all()
    assert all_files() == [f"{image[:2]}/{image}.png"]


@pytest.mark.parametrize("name", ["../../secret", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_sha256_becomes_a_path(sqlite_home: Path, name: str):
    with pytest.raises(InputError, match="SHA-256"):
        kept_images.delete(ADMIN, name, "reason")
    with pytest.raises(InputError, match="SHA-256"):
        kept_images.film(ANN, name)


def test_a_deletion_needs_a_reason_and_an_image(sqlite_home: Path):
    image = keep(film(1))
    with pytest.raises(InputError, match="a reason"):
        kept_images.delete(ADMIN, image, "  ")
    with pytest.raises(InputError, match="that is kept"):
        kept_images.delete(ADMIN, "0" * 64, "reason")
    assert kept_images.deletions(ANN) == []


def test_files_and_records_that_do_not_fit_are_found(database: str):
    missing, damaged, whole = (keep(film(seed)) for seed in (1, 2, 3))
    kept_images.path_of(missing).unlink()
    kept_images.path_of(damaged).write_bytes(kept_images.path_of(whole).read_bytes())
    orphan = "ab" * 32
    kept_images.path_of(orphan).parent.mkdir(exist_ok=True)
    kept_images.path_of(orphan).write_bytes(b"x")
    assert sorted(kept_images.check()) == sorted(
        [
            f"Kept image {missing[:12]}: its file is missing. Restore it or delete it.",
            f"Kept image {damaged[:12]}: its file was changed. Restore it or delete it.",
            f"Image file {orphan[:12]} is in no record. Delete it on the Admin page.",
        ]
    )
    for image in (missing, damaged):
        with pytest.raises(StoreError, match="Restore it from a backup"):
            kept_images.film(ANN, image)
    for image in (missing, damaged, orphan):
        kept_images.delete(ADMIN, image, "does not fit")
    assert kept_images.check() == []
    assert [one.image_sha256 for one in kept_images.kept(ANN)] == [whole]


def test_a_disk_that_cannot_be_written_stores_no_review(sqlite_home: Path):
    store.description()
    (sqlite_home / "images").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"folder for kept images.*Nothing was stored"):
        keep(film(1))
    assert reviews.latest(ANN) == []
    (sqlite_home / "images").unlink()
    keep(film(1))
    assert len(reviews.latest(ANN)) == 1


def test_a_review_is_stored_though_its_film_cannot_be_moved_yet(sqlite_home: Path, monkeypatch):
    def fails() -> None:
        raise StoreError("a", "b", "c")

    with monkeypatch.context() as patch:
        patch.setattr(kept_images, "recover", fails)
        image = keep(film(1))
    assert all_files() == [f"staged/{image}.png"]
    assert (kept_images.film(ANN, image) == film(1).pixels).all()
    assert all_files() == [f"{image[:2]}/{image}.png"]


def test_no_name_of_the_file_is_stored(sqlite_home: Path):
    named = replace(film(1), name="Doe^Jane 1980.png")
    keep(named)
    everything = b"".join(p.read_bytes() for p in sqlite_home.rglob("*") if p.is_file())
    assert b"Jane" not in everything
    assert b"Jane" not in json.dumps(all_files()).encode()
