"""What a GPU host trains with another Keras back end is read here, and says the same."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from model import xray
from model.bundle import open_bundle
from model.nn.classifier import Classifier
from tests.conftest import ROOT


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_bundle_trained_under_another_back_end_gives_the_same_logits(
    backend, tiny_data, tmp_path
):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "model", "train", "--data", tiny_data, "--out", out]
    for change in ("network=cnn", "size_px=32", "epochs=2", "folds=3", "average=0.9"):
        command += ["--set", change]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

    bundle = open_bundle(out)
    assert bundle.training["backend"] == backend
    assert len(bundle.training["curves"]) == 2
    fold = bundle.evaluations["validation"]
    films = [
        xray.read(next(tiny_data.glob(f"train/*/{name}")).read_bytes(), name) for name in fold.files
    ]
    read = [prediction.logit for prediction in Classifier(bundle, "float32").predict(films)]
    np.testing.assert_allclose(read, fold.logits, atol=1e-3, rtol=1e-3)
