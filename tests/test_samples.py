"""The app's samples: drawn by the script beside them, described by samples.json, from nobody."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "samples"
SAMPLES = json.loads((FOLDER / "samples.json").read_text("utf-8"))
SICK = [sample for sample in SAMPLES if sample["label"] == "pneumonia"]
PICTURES = {".jpg", ".png", ".dcm"}


def grey(path: Path) -> np.ndarray:
    """(H, W) float, 0 black to 255 white, as a viewer shows the film."""
    if path.suffix != ".dcm":
        return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(float)
    image = pydicom.dcmread(path)
    low = image.WindowCenter - image.WindowWidth / 2
    shown = np.clip((image.pixel_array - low) / image.WindowWidth, 0, 1)
    return 255 * (1 - shown if image.PhotometricInterpretation == "MONOCHROME1" else shown)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the script has drawn everything anew."""
    folder = tmp_path_factory.mktemp("samples")
    subprocess.run([sys.executable, str(FOLDER / "make.py"), str(folder)], check=True, timeout=250)
    return folder


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["file"])
def test_the_script_draws_the_committed_film(sample: dict, drawn: Path):
    ours, again = grey(FOLDER / sample["file"]), grey(drawn / sample["file"])
    assert ours.shape == again.shape
    # Other versions of the JPEG codec or of BLAS may round differently, no more.
    assert np.abs(ours - again).mean() < 0.5
    assert np.abs(ours - again).max() < 16


def test_the_script_says_the_same_of_them(drawn: Path):
    assert json.loads((drawn / "samples.json").read_text("utf-8")) == SAMPLES


def test_samples_json_names_every_file_once():
    files = sorted(path.name for path in FOLDER.iterdir() if path.suffix in PICTURES)
    assert sorted(sample["file"] for sample in SAMPLES) == files
    assert len({sample["title"] for sample in SAMPLES}) == len(SAMPLES)
    assert all(sample["synthetic"] is True for sample in SAMPLES)


def test_there_are_three_of_each_and_a_dicom():
    labels = [sample["label"] for sample in SAMPLES]
    assert labels.count("normal") >= 3
    assert labels.count("pneumonia") >= 3
    assert len(labels) == labels.count("normal") + labels.count("pneumonia")
    assert any(sample["file"].endswith(".dcm") for sample in SAMPLES)


def test_the_files_are_small():
    for sample in SAMPLES:
        path = FOLDER / sample["file"]
        assert path.stat().st_size < (1_500_000 if path.suffix == ".dcm" else 150_000), path.name


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["file"])
def test_lungs_are_darker_than_heart_and_belly(sample: dict):
    film = grey(FOLDER / sample["file"])  # (H, W)
    height, width = film.shape
    lung = np.percentile(film[int(0.25 * height) : int(0.7 * height), width // 5 : -width // 5], 10)
    middle = film[height // 3 : int(0.6 * height), int(0.47 * width) : int(0.53 * width)].mean()
    belly = film[int(0.88 * height) :, int(0.3 * width) : int(0.7 * width)].mean()
    assert lung + 50 < middle
    assert lung + 50 < belly


@pytest.mark.parametrize("sample", SICK, ids=lambda sample: sample["file"])
def test_the_opacity_is_denser_than_the_other_side(sample: dict):
    film, where = grey(FOLDER / sample["file"]), sample["where"]
    assert where["side"] == ("left" if where["x"] < 0.5 else "right")
    assert abs(where["x"] - 0.5) > 0.1
    height, width = film.shape

    def around(x: float) -> float:
        rows = slice(int((where["y"] - 0.08) * height), int((where["y"] + 0.08) * height))
        return film[rows, int((x - 0.06) * width) : int((x + 0.06) * width)].mean()

    assert around(where["x"]) > around(1 - where["x"]) + 10


def test_a_normal_film_has_no_opacity():
    places = [sample["where"] for sample in SAMPLES if sample["label"] == "normal"]
    assert places == [{"x": None, "y": None, "side": None}] * len(places)


def test_the_dicom_is_an_x_ray_of_nobody():
    (path,) = FOLDER.glob("*.dcm")
    image = pydicom.dcmread(path)
    assert image.Modality in ("CR", "DX")
    assert (image.ViewPosition, image.PatientAge) == ("AP", "004Y")
    assert image.BitsStored == 12
    assert image.pixel_array.max() < 2**12
    assert "SYNTHETIC" in str(image.PatientName)
    assert image.PatientID == "SYNTHETIC"
    for blank in ("PatientBirthDate", "PatientSex", "StudyDate", "ReferringPhysicianName"):
        assert image.get(blank, "") == ""
