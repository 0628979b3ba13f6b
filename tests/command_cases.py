"""What the tests of `python -m model ...` share: a run, here or in a process of its own."""

import functools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from model.__main__ import main
from model.bundle import open_bundle
from model.config import ROOT
from model.versions import champion
from tests.model.images import encode

KEYS = ["file", "probability", "decision", "threshold", "gate", "model_version", "sha256"]


@pytest.fixture(autouse=True)
def load_once(monkeypatch):
    """A bundle is loaded once for all tests in this process."""
    from model.nn.classifier import Classifier

    monkeypatch.setattr(Classifier, "load", _load)


@functools.cache
def _load(folder):
    from model.nn.classifier import Classifier

    return Classifier(open_bundle(folder))


@pytest.fixture
def run(capsys):
    """run(*arguments) -> exit status, lines of standard output, text of standard error."""

    def call(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return call


@pytest.fixture
def predict(run):
    """predict(*arguments) -> exit status and the objects of `predict --json`."""

    def call(*arguments):
        status, lines, _ = run("predict", "--json", *arguments)
        return status, [json.loads(line) for line in lines]

    return call


@pytest.fixture
def blank(tmp_path):
    path = tmp_path / "blank.png"
    path.write_bytes(encode(np.full((100, 100), 80, np.uint8), "PNG"))
    return path


def in_process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "model", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip


def serve(monkeypatch, folder):
    monkeypatch.setattr(champion, "served", lambda: folder)
    monkeypatch.setattr(champion, "look", lambda: champion.Served(folder))
