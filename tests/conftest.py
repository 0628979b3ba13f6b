"""What all tests share: a quiet TensorFlow, a home of their own, real and made-up X-rays."""

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
# They take longest, so they begin first: at the end nobody waits for one of them alone.
LONGEST = [
    "test_closed_loop", "test_ray_host", "test_promotion_faults", "test_job_tracking", "test_train",
    "test_accessibility", "test_auth", "test_faults", "test_resume", "test_evaluate_command",
    "test_notebook", "test_backends", "test_local_host", "test_clinic",
]  # fmt: skip
WIDTH_PX, HEIGHT_PX = 96, 80

# Before any test imports model: TensorFlow and model.config read the environment once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
_home = tempfile.TemporaryDirectory(prefix="pneumoscope-")
os.environ["XRAY_HOME"] = _home.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="module", autouse=True)
def _small_heap() -> None:
    """Streamlit and Keras collect garbage after every run: TensorFlow's objects are no garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real X-rays, with `chest_xray_224/` in it; skips where there is none."""
    folder = Path(os.environ.get("XRAY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "chest_xray_224").is_dir():
        pytest.skip(
            f"real X-rays not found: no chest_xray_224/ in {folder}. "
            "Set XRAY_TEST_DATA to the folder that holds it."
        )
    return folder


def _names(label: str, patients: range) -> Iterator[str]:
    """Two images of each patient, named as in the data set of Kermany et al. 2018."""
    for patient in patients:
        for image in (2 * patient, 2 * patient + 1):
            if label == "PNEUMONIA":
                kind = "bacteria" if patient % 2 else "virus"
                yield f"person{patient}_{kind}_{image}.jpeg"
            else:
                prefix = "NORMAL2-IM" if patient % 2 else "IM"
                yield f"{prefix}-{patient:04}-{image:04}.jpeg"


def _film(rng: np.random.Generator, label: str) -> np.ndarray:
    """(H, W) uint8: noise about a random grey; PNEUMONIA has a bright blob in the left half."""
    film = rng.normal(rng.uniform(50, 90), 12, (HEIGHT_PX, WIDTH_PX))  # (H, W)
    if label == "PNEUMONIA":
        y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]  # (H, W) each
        y0, x0 = rng.uniform(12, HEIGHT_PX - 12), rng.uniform(8, WIDTH_PX / 2 - 6)
        film += 130 * np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / (2 * 6.0**2))
    return np.clip(film, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to read from: 24 films to train on, 8 to test on, two of each patient."""
    folder = tmp_path_factory.mktemp("tiny_data")
    rng = np.random.default_rng(20180222)
    for split, patients in [("train", range(1, 7)), ("test", range(7, 9))]:
        for label in ("NORMAL", "PNEUMONIA"):
            (folder / split / label).mkdir(parents=True)
            for name in _names(label, patients):
                path = str(folder / split / label / name)
                assert cv2.imwrite(path, _film(rng, label), [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run of `python -m model train`: VGG16, one epoch at 32 px."""

    def train(folder: Path) -> None:
        command = [sys.executable, "-m", "model", "train", "--data", tiny_data, "--out", folder]
        for change in ("size_px=32", "epochs=1", "folds=3"):
            command += ["--set", change]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr

    return _made_once(tmp_path_factory, "tiny_bundle", train)


@pytest.fixture(scope="session")
def judged_bundle(
    tiny_bundle: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of it, without its run, that was judged on the locked test set."""

    def judge(folder: Path) -> None:
        from model.bundle import open_bundle
        from model.training import job_work

        ignore = shutil.ignore_patterns("run")
        shutil.copytree(tiny_bundle, folder, ignore=ignore, dirs_exist_ok=True)
        job_work.evaluate(open_bundle(folder), tiny_data)

    return _made_once(tmp_path_factory, "judged_bundle", judge)


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that takes long to fill: done by one of the processes that run the tests."""
    top = factory.getbasetemp()
    folder = (top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = factory.mktemp(name)
            make(part)
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def samples() -> dict[str, Path]:
    """The synthetic films by file name, which starts with the label: `pneumonia-4.dcm`."""
    folder = ROOT / "assets" / "samples"
    entries = json.loads((folder / "samples.json").read_text("utf-8"))
    return {entry["file"]: folder / entry["file"] for entry in entries}


@pytest.fixture(scope="session")
def labelled_samples(samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of the synthetic JPEG films: three NORMAL, three PNEUMONIA."""
    folder = tmp_path_factory.mktemp("labelled_samples")
    for name, path in samples.items():
        if path.suffix == ".jpg":
            label = folder / name.split("-")[0].upper()
            label.mkdir(exist_ok=True)
            (label / name).write_bytes(path.read_bytes())
    return folder
