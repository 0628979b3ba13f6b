"""What the page Performance shows, computed once for each version, and films of the data set.

The services of that page: `pages.shared.services` has those of all.
"""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from model import overlay, performance
from model.config import settings
from model.errors import PneumoscopeError
from pages.shared.services import bundle, decode


def _stamp() -> float:
    """Changes when a command writes a file beside the served card."""
    folder = bundle().folder
    files = [folder / name for name in performance.FILES]
    times = [path.stat().st_mtime for path in (*files, folder / "comparison") if path.exists()]
    return sum(times) + len(times)


@st.cache_resource(show_spinner=False, max_entries=32)
def _kept(model_version: str, stamp: float, what: str) -> Any:
    """`model.performance.WHAT` of the served version: some bootstraps, .1 to 1 s."""
    version = bundle()
    split, threshold = performance.split_of(version), version.operating_point().threshold
    match what:
        case "subgroups":
            return performance.subgroups(version, split, threshold)
        case "robustness":
            return [(change, change.figures(threshold)) for change in changes()]
        case "changes":
            return performance.robustness(version)
        case "calibration":
            return performance.calibration(version, split)
        case _:
            return getattr(performance, what)(version)


def champion() -> performance.Row:
    """The served version at its default operating point."""
    return _kept(bundle().model_version, _stamp(), "champion")


def subgroups() -> list[performance.Subgroup]:
    """The same for parts of its split."""
    return _kept(bundle().model_version, _stamp(), "subgroups")


def calibration() -> performance.Calibration:
    """The served version's probabilities before and after temperature scaling."""
    return _kept(bundle().model_version, _stamp(), "calibration")


def changes() -> list[performance.Change]:
    """The test split under changes of the films; may be empty. Quick: no bootstrap."""
    return _kept(bundle().model_version, _stamp(), "changes")


def robustness() -> list[tuple[performance.Change, performance.ChangeFigures]]:
    """Figures under changes of the films, at the default operating point; may be empty."""
    return _kept(bundle().model_version, _stamp(), "robustness")


def compared() -> list[performance.Row]:
    """All networks of the comparison."""
    return _kept(bundle().model_version, _stamp(), "rows")


def dataset() -> performance.DataSet | None:
    """The X-rays behind the figures, as counts and means."""
    return _kept(bundle().model_version, _stamp(), "dataset")


@dataclass(frozen=True)
class LabelledFilm:
    """A film of the data set of `XRAY_DATA`; probability where it is one that was read."""

    path: Path
    label: int
    probability: float | None = None


def errors(threshold: float) -> tuple[list[LabelledFilm], list[LabelledFilm]]:
    """(missed pneumonia, false alarms) on the champion's split, most confidently wrong first.

    Only films that lie in the folder of `XRAY_DATA`.
    """
    version = bundle()
    split = performance.split_of(version)
    found = version.evaluations[split]
    films = [
        LabelledFilm(path, int(label), float(probability))
        for name, label, probability in zip(
            found.files, found.labels, version.probabilities(split), strict=True
        )
        if (probability >= threshold) != bool(label)
        and (path := _film_path(split, int(label), name))
    ]
    missed = sorted((f for f in films if f.label), key=lambda f: f.probability or 0)
    alarms = sorted((f for f in films if not f.label), key=lambda f: -(f.probability or 0))
    return missed, alarms


def _film_path(split: str, label: int, name: str) -> Path | None:
    """Validation X-rays are a part of train/. Names of a card stay inside the folder."""
    folder = settings().data
    if folder is None:
        return None
    sub = "test" if split == "test" else "train"
    path = folder / sub / ("PNEUMONIA" if label else "NORMAL") / Path(name).name
    return path if path.is_file() else None


def random_films(each: int, seed: int) -> list[LabelledFilm]:
    """`each` normal and `each` pneumonia films of the training split; fewer if there are none."""
    folder = settings().data
    if folder is None:
        return []
    draw = random.Random(seed)
    films: list[LabelledFilm] = []
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        files = _names(folder / "train" / name)
        chosen = draw.sample(files, min(each, len(files)))
        films += [LabelledFilm(folder / "train" / name / file, label) for file in chosen]
    return films


@cache
def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.glob("*.*"))) if folder.is_dir() else ()


@st.cache_resource(show_spinner=False, max_entries=256)
def film_thumbnail(path: Path, height_px: int = 192) -> bytes | None:
    """A small PNG of a film on the server; None for a file that cannot be read."""
    try:
        return overlay.png(
            overlay.thumbnail(decode(path.read_bytes(), "").xray.display(), height_px)
        )
    except (OSError, PneumoscopeError):
        return None
