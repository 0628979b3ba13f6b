"""The commands of `python -m model`: each a function that prints and gives the exit status.

Keras is imported inside them, so that `--help` and a wrong argument answer at once.
"""

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model import overlay, xray
from model.bundle import Bundle, open_bundle
from model.errors import ConfigError, DataError, PneumoscopeError
from model.files import write_whole
from model.prediction import Prediction, check_range, decide
from model.versions import champion
from model.xray import XRay

FAILED = 2
_BATCH_SIZE = 16


@dataclass(frozen=True)
class _Read:
    file: str
    xray: XRay | None = None
    prediction: Prediction | None = None
    error: Exception | None = None


def predict(
    files: Sequence[str], as_json: bool, threshold: float | None, heatmaps: Path | None
) -> int:
    """Reads each file and prints one line for each, in order; 2 when any file failed."""
    from rich.progress import Progress

    from model.nn.classifier import Classifier

    if threshold is not None:
        check_range("threshold", threshold, 0, 1)
    classifier = Classifier.load(_served())
    used = classifier.bundle.operating_point().threshold if threshold is None else threshold
    names = _heatmap_names(files)
    failed = False
    quiet = len(files) <= _BATCH_SIZE
    with Progress(console=_stderr(), disable=quiet, redirect_stdout=False) as progress:
        bar = progress.add_task("Reading X-rays", total=len(files))
        for index, read in enumerate(_read_files(files, classifier)):
            failed |= read.error is not None
            print(json.dumps(_as_json(read, used)) if as_json else _as_text(read, used), flush=True)
            if heatmaps and read.xray and read.prediction and read.prediction.heatmap is not None:
                _write_heatmap(heatmaps, names[index], read.xray, read.prediction.heatmap)
            progress.advance(bar)
    return FAILED if failed else 0


def _read_files(files: Sequence[str], classifier: Any) -> Iterator[_Read]:
    """Decodes and predicts in batches; a file that fails does not stop the others."""
    for start in range(0, len(files), _BATCH_SIZE):
        batch = [_decode(file) for file in files[start : start + _BATCH_SIZE]]
        films = [read.xray for read in batch if read.xray]
        predictions = iter(classifier.predict(films))
        for read in batch:
            if read.xray:
                yield _Read(read.file, read.xray, next(predictions))
            else:
                yield read


def _decode(file: str) -> _Read:
    try:
        return _Read(file, xray=xray.read(Path(file).read_bytes(), Path(file).name))
    except PneumoscopeError as error:
        return _Read(file, error=error)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _Read(
            file, error=DataError("a readable file", reason, "Check the path and its rights.")
        )


def _as_json(read: _Read, threshold: float) -> dict[str, Any]:
    if read.error or not (read.xray and read.prediction):
        error = {"type": type(read.error).__name__, "message": str(read.error)}
        return {"file": read.file, "error": error}
    decision = decide(read.prediction, threshold)
    gate = read.prediction.gate
    return {
        "file": read.file,
        "probability": read.prediction.probability,
        "decision": decision.label if decision else None,
        "threshold": threshold,
        "gate": {"status": gate.status, "score": gate.score, "reason": gate.reason},
        "model_version": read.prediction.model_version,
        "sha256": read.xray.sha256,
    }


def _as_text(read: _Read, threshold: float) -> str:
    if read.error or not read.prediction:
        return f"{read.file}: {read.error}"
    decision = decide(read.prediction, threshold)
    if decision is None:
        return f"{read.file}: refused. {read.prediction.gate.reason}"
    said = f"{decision.label}, probability {decision.probability:.3f}, threshold {threshold:g}"
    warning = "" if read.prediction.gate.status == "accepted" else f" {read.prediction.gate.reason}"
    return f"{read.file}: {said}.{warning}"


def _heatmap_names(files: Sequence[str]) -> list[str]:
    """The stem of each file; a stem that is taken gets `-2` and so on."""
    names: list[str] = []
    for file in files:
        stem = name = Path(file).stem
        number = 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names


def _write_heatmap(folder: Path, name: str, film: XRay, heatmap: np.ndarray) -> None:
    heat = overlay.stretch(heatmap, film.pixels.shape)
    png = overlay.png(overlay.overlay(film.display(), heatmap))
    try:
        write_whole(folder / f"{name}.overlay.png", lambda path: path.write_bytes(png))
        write_whole(folder / f"{name}.heatmap.npy", lambda path: np.save(path, heat))
    except OSError as error:
        raise ConfigError(
            "a folder for heatmaps that can be written",
            f"{folder} ({error.strerror or type(error).__name__})",
            "Give another folder to --heatmaps.",
        ) from None


def evaluate(
    data: Path,
    split: str | None,
    bundle: Path | None,
    as_json: bool,
    keep: bool,
    report: Path | None = None,
) -> int:
    """Reads a split and prints its figures; `report` is a folder for them on paper.

    `keep` also writes them into the bundle's card and beside it what `evaluated.FILES` names.
    """
    from model.nn import evaluate as evaluation
    from model.nn.classifier import Classifier
    from model.nn.dataset import read_folder

    examples = read_folder(data, split)
    if report:
        _check_report(report)  # before minutes of reading
    folder = bundle or _served()
    if keep:
        _check_may_change(folder)
    classifier = Classifier.load(folder)
    if keep:
        name = split or data.resolve().name
        readings, looks = evaluation.keep(classifier, examples, name, data)
    else:
        readings = evaluation.read_all(classifier, examples)
        looks = evaluation.looks(classifier, readings)
    result = evaluation.figures(classifier.bundle, readings) | looks
    print(json.dumps(result) if as_json else _table(result), flush=True)
    if report:
        _write_report(report, split or data.resolve().name, classifier.bundle, readings)
    return 0


def _served() -> Path:
    return champion.look().open().folder


def _check_may_change(folder: Path) -> None:
    if champion.is_copy(folder):
        raise ConfigError(
            "a bundle that may be written to", "a version that was promoted",
            "Give another one to --bundle: what was promoted is not changed any more.",
        )  # fmt: skip


def _check_report(folder: Path) -> None:
    from model import performance_report

    performance_report.check_folder(folder)


def _write_report(folder: Path, split: str, bundle: Bundle, readings: Any) -> None:
    """The report of what was just read, whether the bundle keeps it or not."""
    from model import performance_report
    from model.nn.dataset import data_hash
    from model.nn.evaluate import with_readings

    source = performance_report.Source(
        split, datetime.date.today(), data_hash(readings.examples), readings.num_refused
    )
    performance_report.write(folder, with_readings(bundle, split, readings), source)


def _table(result: dict[str, Any]) -> str:
    lines = []
    for name, value in result.items():
        if name.endswith("_ci"):
            continue
        shown = f"{value:.4f}" if isinstance(value, float) else str(value)
        if value is None:
            shown = "unknown"
        interval = result.get(f"{name}_ci")
        if interval:
            shown += f"  95 % interval {interval[0]:.4f} to {interval[1]:.4f}"
        lines.append(f"{name:<21}{shown}")
    return "\n".join(lines)


def train(data: Path, out: Path, config: str, changes: list[str]) -> int:
    """Trains on `data` and writes a bundle to `out`."""
    from model.nn.recipe import recipe
    from model.nn.release import release
    from model.nn.start import divided
    from model.nn.train import train as run

    chosen = recipe(config, changes)
    trained = run(chosen, divided(chosen, data), out / "run")
    bundle = release(trained, out)
    print(f"Wrote {bundle.model_version}. Serve it with XRAY_BUNDLE={out}.")
    return 0


def calibrate(data: Path, bundle: Path, others: Path | None) -> int:
    """Fits temperature, operating points and gate of a bundle anew, in place; its weights stay."""
    from model.nn.release import recalibrate

    _check_may_change(bundle)
    old = open_bundle(bundle, is_outdated=True)
    new = recalibrate(old, data, others)
    print(f"{old.model_version} is now {new.model_version}.")
    return 0


def compare(data: Path, out: Path, names: Sequence[str]) -> int:
    """Trains and reads the networks of the comparison and keeps their cards with the bundle."""
    from model.nn import comparison

    for name in names:
        if name not in comparison.NAMES:
            known = ", ".join(comparison.NAMES)
            raise ConfigError(f"networks among {known}", f"{name!r}", "Correct the name.")
    comparison.compare(data, out, names or comparison.NAMES)
    return 0


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)
