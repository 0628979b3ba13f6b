"""What the tests of the whole loop share: a clinic whose served version is small, and films."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from model import store
from model.bundle import Bundle, open_bundle
from model.config import settings
from model.versions import champion, registry
from tests.model.conftest import settings_of
from tests.model.images import encode
from tests.model.retraining_cases import say
from tests.model.review_cases import ADMIN, ANN, BOB

# One epoch of the network that is served, the smallest there is. It goes on from the champion.
CONFIG, CHANGES = "quick", ("epochs=1", "learning_rate=0.01", "batch_size=8")


@contextlib.contextmanager
def clinic(home: Path, data: Path, **environment: str) -> Iterator[Path]:
    """A home and settings of a server with these data; all else is as after an installation."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XRAY_BUNDLE", "XRAY_MLFLOW_URL", "XRAY_RAY_ADDRESS"):
            patch.delenv(name, raising=False)
        patch.setenv("XRAY_DATA", str(data))
        for name, value in environment.items():
            patch.setenv(name, value)
        with settings_of(home, None):
            yield home
    settings.cache_clear()


def serve(version: Bundle) -> None:
    """Has a version served from now on, as after a promotion a while ago."""
    registry.hand_over("", version.folder, "earlier", version.training["curves"])
    copy = open_bundle(champion.materialise(version.folder))
    champion.switch(copy, ADMIN.name, store.now(), registry.served_version())
    assert registry.champion().model_version == version.model_version


def film(number: int) -> bytes:
    """A film that nobody has seen yet: grey noise with a bright blob; each number another."""
    rng = np.random.default_rng(7000 + number)
    y, x = np.mgrid[:80, :96]  # (H, W) each
    blob = 120 * np.exp(-((y - rng.uniform(15, 65)) ** 2 + (x - rng.uniform(10, 40)) ** 2) / 72)
    noisy = rng.normal(rng.uniform(50, 90), 12, (80, 96)) + blob
    return encode(np.uint8(np.clip(noisy, 0, 255)), "PNG")


def agree(number: int) -> str:
    """Two readers call a film pneumonia and leave it for retraining; its SHA-256."""
    data = film(number)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), 0) is not None
    say(ANN, "viral", data)
    return say(BOB, "bacterial", data)
