"""What is said of a batch of films: each different film goes through the network once."""

import base64
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

import cv2

from model.bundle import Bundle
from model.clinic.reviews import heatmap_hash
from model.clinic.worklists import Reading
from model.prediction import Prediction
from model.xray import XRay

THUMBNAIL_PX = 48  # the longer side
_KEPT_PREDICTIONS = 500  # 50 KB each
_log = logging.getLogger(__name__)


class Classifier(Protocol):
    """What reads films; see model/nn/classifier.py."""

    bundle: Bundle

    def predict(self, xrays: Sequence[XRay]) -> list[Prediction]:
        """One prediction for each X-ray, in order."""


class Predictions:
    """The last ones, by film and model version. Threads may share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Prediction] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, image_sha256: str, model_version: str) -> Prediction | None:
        """What was said of a film, if it was among the last ones."""
        with self._lock:
            return self._kept.get((image_sha256, model_version))

    def of(self, classifier: Classifier, films: Iterable[XRay]) -> dict[str, Prediction | None]:
        """By the SHA-256 of the films; None for one that the classifier fails on."""
        version = classifier.bundle.model_version
        different = {film.sha256: film for film in films}
        said = {key: self.known(key, version) for key in different}
        new = [film for key, film in different.items() if said[key] is None]
        said |= zip((film.sha256 for film in new), _predict(classifier, new), strict=True)
        with self._lock:
            self._kept |= {(key, version): one for key, one in said.items() if one}
            while len(self._kept) > _KEPT_PREDICTIONS:
                self._kept.popitem(last=False)
        return said


def _predict(classifier: Classifier, films: Sequence[XRay]) -> list[Prediction | None]:
    """One for each film; None for one that the classifier fails on, which spoils no other's."""
    if not films:
        return []
    try:
        return list(classifier.predict(films))
    except Exception:
        _log.exception("prediction failed")
    if len(films) == 1:
        return [None]
    return [prediction for film in films for prediction in _predict(classifier, [film])]


def reading(film: XRay, prediction: Prediction, preprocessing: str) -> Reading:
    """What the store keeps of a prediction."""
    return Reading(
        image_sha256=film.sha256,
        model_version=prediction.model_version,
        preprocessing=preprocessing,
        probability=prediction.probability,
        logit=prediction.logit,
        heatmap_sha256=heatmap_hash(prediction.heatmap),
        gate_status=prediction.gate.status,
        gate_score=prediction.gate.score,
        gate_reason=prediction.gate.reason,
        overruled=prediction.overruled,
    )


def thumbnail(film: XRay) -> str:
    """A small JPEG as a data URL, 1 KB."""
    shown = film.display()  # (H, W)
    scale = THUMBNAIL_PX / max(shown.shape)
    size = tuple(max(1, round(side * scale)) for side in shown.shape[::-1])
    small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
