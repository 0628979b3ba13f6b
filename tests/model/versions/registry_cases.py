"""What the tests of the registry share: a shipped version, trained ones, what is then served."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.bundle import Bundle
from model.people import audit
from model.people.access import Actor
from model.versions import champion, registry
from tests.model.version_cases import epochs, write_all, write_version

ZOE, MAX = Actor("zoe", "admin"), Actor("max", "admin")
OLD, NEW, WORSE = "vgg16-20200102-0123abcd", "vgg16-new", "vgg16-worse"


@pytest.fixture(autouse=True)
def shipped(
    sqlite_home: Path, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bundle:
    """A version that came with the program, no other one, no pauses."""
    shutil.copytree(first, sqlite_home / "mlflow")
    bundle = write_all(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", bundle.folder)
    monkeypatch.setattr(registry, "PAUSES", ())
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    monkeypatch.delenv("XRAY_MLFLOW_URL", raising=False)
    return bundle


@pytest.fixture
def trained(tmp_path: Path) -> Bundle:
    return write_version(tmp_path / "job" / "bundle", model_version=NEW)


@pytest.fixture
def worse(shipped: Bundle, tmp_path: Path) -> Bundle:
    """It misses four of those with pneumonia that the shipped version finds."""
    test = shipped.evaluations["test"]
    found = (shipped.probabilities("test") >= 0.4) & (test.labels == 1)
    logits = test.logits.copy()
    logits[np.flatnonzero(found)[:4]] = -20
    told = {**shipped.evaluations, "test": replace(test, logits=logits)}
    return write_version(tmp_path / "worse", model_version=WORSE, evaluations=told)


def hand_over(bundle: Bundle, job_id: str = "job-1", run_id: str = "") -> str:
    return registry.hand_over(run_id, bundle.folder, job_id, epochs())


def serving() -> str:
    """The version that would read the next X-ray, checked."""
    return champion.look().open().model_version


def served_in_trail() -> list[tuple[str, str, str]]:
    """Who served what how, oldest first."""
    return [
        (entry.actor, entry.action, entry.subject)
        for entry in reversed(audit.entries(ZOE))
        if entry.action.startswith("model version")
    ]


def aliases() -> dict[str, tuple[str, ...]]:
    return {version.model_version: version.aliases for version in registry.versions()}
