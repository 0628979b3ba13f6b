"""The one place that wires model/ to the pages.

Keras takes seconds to load, so `classifier()` starts it in a thread of its own and the pages paint
meanwhile. What depends on the film of one visitor stays in that visitor's session.
"""

import contextlib
import ctypes
import gc
import json
import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from model import metrics, overlay, reading_report, xray
from model.bundle import CARD, Bundle, read_card
from model.config import ROOT
from model.errors import PneumoscopeError
from model.language import N_, _
from model.prediction import Prediction
from model.preprocessing import prepare
from model.versions import champion
from model.versions.champion import Served
from model.xray import XRay

if TYPE_CHECKING:
    from model.nn.classifier import Classifier
    from model.reading_report.source import Source

NOT_RECORDED = N_("This could not be recorded, so the image was not read.")
NOT_READ = N_(
    "The classifier could not read this X-ray. There is no verdict: ask the administrator "
    "to look into the server's log and to run `python -m model doctor`."
)
SAMPLES = ROOT / "assets" / "samples"
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Reading:
    """One X-ray of a visitor; the prediction, or why there is none, comes when it is known.

    read_at: when the prediction was made. source: what reports take over from a DICOM file; the
    file itself is not kept. bundle: the version that has read it, whatever is served since.
    served: what was served when it could not be read, see `Served.key`.
    """

    name: str
    xray: XRay
    prediction: Prediction | None = None
    error: str = ""
    synthetic: bool = False
    notes: tuple[str, ...] | None = None
    read_at: datetime | None = None
    source: "Source | None" = None
    bundle: Bundle | None = None
    served: str = ""

    @property
    def id(self) -> str:
        """The same for the same file content."""
        return self.xray.sha256


@dataclass(frozen=True)
class Sample:
    """A synthetic X-ray of assets/samples."""

    path: Path
    label: str
    title: str


def bundle() -> Bundle:
    """The model version that is served now. Raises BundleError: then there is no verdict."""
    served = champion.look()
    return _opened(served.key, served)


@st.cache_resource(show_spinner=False, max_entries=2)
def _opened(key: str, _served: Served) -> Bundle:
    return _served.open()


def bundle_of(reading: Reading) -> Bundle:
    """The version that has read an X-ray, for the figures beside its probability.

    Raises BundleError when its card is not here any more.
    """
    if reading.bundle is None:
        assert reading.prediction
        reading.bundle = card(reading.prediction.model_version)
    return reading.bundle


def card(model_version: str) -> Bundle:
    """Of a version that is served or was: for figures, not for a verdict.

    Raises BundleError when it is not here any more.
    """
    now = bundle()
    if now.model_version == model_version:
        return now
    shipped = read_card(champion.SHIPPED / CARD)
    if shipped.model_version == model_version:
        return shipped
    return read_card(champion.folder_of(model_version) / CARD)


def _loading() -> "Future[Classifier]":
    """The classifier of the version that is served now; failed where that cannot be known."""
    try:
        served = champion.look()
    except PneumoscopeError as error:
        failed: Future[Classifier] = Future()
        failed.set_exception(error)
        return failed
    return _load_once(served.key, served)


# The one before is let go; a reading under way holds it until it ends.
@st.cache_resource(show_spinner=False, max_entries=1)
def _load_once(key: str, _served: Served) -> "Future[Classifier]":
    future = ThreadPoolExecutor(1, "load-classifier").submit(_load_served, _served)
    future.add_done_callback(_settle)
    return future


def classifier() -> "Future[Classifier]":
    """The classifier that reads worklists in the background. The first call starts the loading.

    Asked for anew for each batch: another version may be served by then.
    """
    return _loading()


def _load_served(served: Served) -> "Classifier":
    from model.nn.classifier import Classifier, keep_graphs

    keep_graphs()
    _settle_again()
    return Classifier(served.open())


def load(folder: Path) -> "Classifier":
    """The classifier of any version, for a look at its heatmaps. Raises BundleError."""
    from model.nn.classifier import Classifier, keep_graphs

    keep_graphs()
    return Classifier.load(folder)


def _settle(_loaded: "Future[Classifier]") -> None:
    """Tidies up behind the loading, when nobody waits for it any more.

    Streamlit collects garbage after every script run. TensorFlow's half a million objects are
    there to stay: without this each move of the threshold would walk through all of them.
    """
    gc.collect()
    gc.freeze()
    _give_back_memory()


def _settle_again() -> None:
    """Frees a classifier that was let go: what `_settle` has put aside is never collected."""
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()
        _give_back_memory()


def _give_back_memory() -> None:
    """Hands freed memory back to the system, which glibc puts off: 250 MB after loading."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def classifier_ready(wait_seconds: float = 0.0) -> bool:
    """Whether a prediction would start at once. The first call starts the loading."""
    wait([_loading()], timeout=wait_seconds)
    return _loading().done()


def predict(reading: Reading) -> None:
    """Fills in the prediction, or the error that a visitor may read. Waits for the classifier."""
    if not (reading.prediction or reading.error):
        _predict(reading)


def take_up(reading: Reading) -> None:
    """Forgets the error of a version that is not served any more: it is to be read."""
    if reading.error and reading.served != _served_key():
        reading.error = ""


def is_outdated(reading: Reading) -> bool:
    """Whether another version than the one that has read it is served now."""
    with contextlib.suppress(PneumoscopeError):
        now = bundle().model_version
        return reading.prediction is not None and reading.prediction.model_version != now
    return False


def read_again(reading: Reading) -> None:
    """Forgets the prediction: the version that is served now is to read it."""
    reading.prediction = reading.bundle = reading.read_at = None


def _served_key() -> str:
    try:
        return champion.look().key
    except PneumoscopeError as error:
        return str(error)


def overrule(reading: Reading) -> str:
    """Reads an X-ray that the gate has refused, once that is on record; else says why not.

    Fails closed: without the record there is no reading.
    """
    assert reading.prediction
    gate = reading.prediction.gate
    try:
        from model.people import audit
        from pages.shared import auth

        audit.record(
            auth.actor().name,
            "gate overruled",
            subject=reading.xray.sha256,
            status=gate.status,
            reason=gate.reason,
            score=gate.score,
            model_version=reading.prediction.model_version,
        )
    except Exception as error:
        _log.exception("an overruled gate was not recorded")
        known = isinstance(error, PneumoscopeError)
        why = str(error) if known else _("Ask the administrator to look into the server's log.")
        return f"{_(NOT_RECORDED)} {why}"
    _predict(reading, overruled=True)
    return ""


def _predict(reading: Reading, overruled: bool = False) -> None:
    reading.error, reading.served = "", _served_key()
    try:
        loaded = _loading().result()
        [reading.prediction] = loaded.predict([reading.xray], overruled=overruled)
        reading.bundle = loaded.bundle
        reading.read_at = datetime.now(UTC)
        _give_back_memory()
    except PneumoscopeError as error:
        reading.error = str(error)
    except Exception:
        # What went wrong inside belongs into the log, not on a clinician's screen.
        _log.exception("prediction failed")
        reading.error = _(NOT_READ)


def decode(data: bytes, name: str, synthetic: bool = False) -> Reading:
    """A reading without its prediction. Raises XRayError for what is no readable X-ray."""
    film = xray.read(data, name)
    source = reading_report.source_of(data, film)
    return Reading(name, film, synthetic=synthetic, source=source)


@cache
def samples() -> tuple[Sample, ...]:
    """The synthetic X-rays, in the order of samples.json."""
    entries: list[dict[str, Any]] = json.loads((SAMPLES / "samples.json").read_text())
    return tuple(
        Sample(SAMPLES / entry["file"], entry["label"], entry["title"]) for entry in entries
    )


@st.cache_resource(show_spinner=False)
def sample_thumbnails(height_px: int = 96) -> tuple[bytes, ...]:
    """A small PNG of each sample."""
    return tuple(
        overlay.png(
            overlay.thumbnail(decode(sample.path.read_bytes(), "").xray.display(), height_px)
        )
        for sample in samples()
    )


def preparation_notes(reading: Reading) -> tuple[str, ...]:
    """What was done to the film before the network saw it; nothing for a film without a verdict."""
    if reading.notes is None:
        reading.notes = prepare(reading.xray.display()).notes
    return reading.notes if reading.prediction and reading.prediction.heatmap is not None else ()


@dataclass(frozen=True)
class Consequences:
    """What a threshold did on a set of X-rays with reference labels.

    The first four count every X-ray as decided; `referred` is the share in the uncertain band.
    """

    sensitivity: metrics.Rate
    specificity: metrics.Rate
    ppv: metrics.Rate
    npv: metrics.Rate
    referred: metrics.Rate


def consequences(version: Bundle, split: str, threshold: float, band: float) -> Consequences:
    """Of an evaluation split of a version, from its stored probabilities: no forward pass."""
    labels, probabilities = version.evaluations[split].labels, version.probabilities(split)
    counts = metrics.confusion(labels, probabilities, threshold)
    in_band = int((abs(probabilities - threshold) < band).sum())
    referred = metrics.wilson(in_band, len(labels))
    return Consequences(counts.sensitivity, counts.specificity, counts.ppv, counts.npv, referred)
