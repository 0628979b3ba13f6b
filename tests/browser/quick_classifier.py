"""A classifier that answers at once, for the pages that a test serves."""

from concurrent.futures import Future
from typing import Any

import numpy as np

from model.prediction import Gate, Prediction
from pages.shared import services


class QuickClassifier:
    """Finds pneumonia in every film, and warmth in one place of it."""

    def __init__(self) -> None:
        self.bundle = services.bundle()

    def predict(self, xrays: list[Any], overruled: bool = False) -> list[Prediction]:
        heat = np.zeros((14, 14), np.float32)
        heat[7:10, 3:6] = 0.9
        version, gate = self.bundle.model_version, Gate("accepted", 1.0, "Like the others.")
        return [Prediction(0.9, 2.2, heat, gate, version) for _ in xrays]


def read_with_it() -> None:
    """Have the pages of this process read with it."""
    loaded: Future[Any] = Future()
    loaded.set_result(QuickClassifier())
    services._loading = lambda: loaded
