"""Folders and archives of labelled films, and the small copies that are trained on."""

import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from model import preprocessing, xray
from model.errors import DataError, InputError
from model.retraining import base_data
from tests.model.images import dataset, encode, save
from tests.model.images import film as smooth_film
from tests.model.retraining_cases import first, frozen, new_film, propose, reasons


@pytest.mark.parametrize("seed", range(4))
def test_an_archive_in_any_order_is_the_same_as_its_folder(
    home: Path, base: Path, tmp_path: Path, seed: int
):
    files = [path for path in base.rglob("*") if path.is_file()]
    random.Random(seed).shuffle(files)
    with zipfile.ZipFile(tmp_path / "base.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(base))
    assert frozen(tmp_path / "base.zip").sha256 == frozen(base).sha256


def test_an_archive_with_a_folder_around_it_and_what_file_managers_leave(
    home: Path, base: Path, tmp_path: Path
):
    with zipfile.ZipFile(tmp_path / "base.zip", "w") as archive:
        for path in base.rglob("*.jpeg"):
            inside = path.relative_to(base).as_posix()
            archive.write(path, f"chest_xray/{inside}")
            archive.writestr(f"__MACOSX/chest_xray/{inside}", b"x")
        archive.writestr("chest_xray/README.txt", "about")
        archive.writestr("../../evil/NORMAL/a.png", new_film(1))
    found = propose(tmp_path / "base.zip")
    assert len(found.entries) == 32
    assert reasons(found, "bad").keys() == {"../../evil/NORMAL/a.png"}
    assert "leads out of it" in reasons(found, "bad")["../../evil/NORMAL/a.png"]


def test_a_folder_without_splits_and_one_with_val(home: Path, base: Path):
    found = propose(base / "train")
    assert len(found.entries) == 24
    assert {entry.split for entry in found.entries} == {"training", "validation"}
    (base / "train").rename(base / "val")
    assert len(propose(base).entries) == 32


def test_bad_files_are_listed_with_the_reason(home: Path, base: Path):
    folder = base / "train" / "NORMAL"
    (folder / "cut.jpeg").write_bytes(first(base).read_bytes()[:200])
    (folder / "scan.pdf").write_bytes(b"%PDF-1.7 ...")
    (folder / "empty.png").write_bytes(b"")
    (base / "train" / "BACTERIA").mkdir()
    (base / "train" / "BACTERIA" / "a.png").write_bytes(new_film(1))
    found = propose(base)
    told = {Path(name).name: reason for name, reason in reasons(found, "bad").items()}
    assert told.keys() == {"cut.jpeg", "scan.pdf", "empty.png", "a.png"}
    assert "damaged, cut short" in told["cut.jpeg"]
    assert "PDF" in told["scan.pdf"]
    assert told["a.png"] == "Not in a folder NORMAL or PNEUMONIA."
    assert len(found.entries) == 32


def test_another_layout(home: Path, base: Path, tmp_path: Path):
    (base / "train").rename(base / "train-images")
    for label, new in (("NORMAL", "healthy"), ("PNEUMONIA", "sick")):
        (base / "train-images" / label).rename(base / "train-images" / new)
    shutil.rmtree(base / "test")
    with pytest.raises(DataError, match=r"NORMAL/ and PNEUMONIA/.*24 files, none of them in such"):
        propose(base)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "a folder or a ZIP archive of labelled X-rays.*No such file"),
        (lambda path: path.write_bytes(b"Rar!"), "a ZIP archive of at most 2 GB.*another file"),
        (lambda path: path.write_bytes(b"PK\3\4 cut"), "table of contents"),
        (lambda path: path.mkdir(), "1 to 50000 files.*none"),
    ],
)
def test_what_is_no_base_data(home: Path, tmp_path: Path, make, message: str):
    make(tmp_path / "upload.zip")
    with pytest.raises(InputError, match=message):
        propose(tmp_path / "upload.zip")


def test_a_huge_archive_is_refused_before_it_is_read(home: Path, tmp_path: Path):
    with (tmp_path / "upload.zip").open("wb") as file:
        file.truncate(3 * 10**9)  # takes no space
    with pytest.raises(InputError, match=r"at most 2 GB.*one of 3.0 GB"):
        propose(tmp_path / "upload.zip")


# --- small copies --------------------------------------------------------------------------------


def greys_differ(data: bytes) -> int:
    """Levels between what the network sees of a film and of its copy for training."""
    film = xray.read(data)
    copy = xray.read(base_data.small(film, data)).display()
    seen = preprocessing.prepare(film.display()).grey.astype(int)
    return int(np.abs(preprocessing.prepare(copy).grey - seen).max())


def chest(height: int, width: int) -> np.ndarray:
    """Bright in the middle and below, dark at the sides, with a texture."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    values = np.cos(np.pi * columns) + 0.5 * rows + 0.1 * np.sin(40 * rows) * np.cos(50 * columns)
    return np.uint8(np.rint(255 * (values - values.min()) / np.ptp(values)))


def dark_edge(film: np.ndarray) -> np.ndarray:
    """With an edge of noise, no border, that becomes flat, and one, when the film is made small."""
    edge = np.random.default_rng(0).integers(0, 14, (film.shape[0], film.shape[1] // 8))
    return np.hstack([edge.astype(np.uint8), film])


LARGE = {
    "JPEG": lambda film: encode(film, "JPEG", quality=90),
    "negative": lambda film: encode(255 - film, "PNG"),
    "border": lambda film: encode(np.pad(film, ((60, 40), (0, 90))), "PNG"),
    "16 bit DICOM": lambda film: save(dataset(film.astype(np.uint16) * 16)),
    "dark edge": lambda film: encode(dark_edge(film), "PNG"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_film_gets_small_and_keeps_its_greys(name: str):
    data = LARGE[name](chest(700, 900))
    assert greys_differ(data) <= base_data.TOLERANCE
    small = base_data.small(xray.read(data), data)
    assert small.startswith(b"\x89PNG")
    if name != "dark edge":
        assert xray.read(small).pixels.shape == (224, 224)


def test_a_small_dicom_file_does_not_travel_as_it_is():
    file = dataset(smooth_film(), PatientName="Doe^Jane")
    data = save(file)
    assert b"Jane" in data
    assert b"Jane" not in base_data.small(xray.read(data), data)
    assert greys_differ(data) == 0


@pytest.mark.real_data
def test_originals_keep_their_greys(shared_data: Path):
    paths = sorted((shared_data / "originals").rglob("*.jpeg"))
    assert len(paths) == 48
    assert max(greys_differ(path.read_bytes()) for path in paths) <= base_data.TOLERANCE
