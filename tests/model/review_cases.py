"""Films, readings and reviews to store."""

import hashlib
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from model import xray
from model.clinic.reviews import Review
from model.clinic.worklists import Reading
from model.people.access import Actor
from model.xray import XRay

ANN, BOB, CAT = (Actor(name, "clinician") for name in ("ann", "bob", "cat"))
ADMIN = Actor("zoe", "admin")
HOSTILE = "<img src=x onerror=alert(1)> '; DROP TABLE reviews; -- é ☂"


def film(seed: int, deep: bool = False) -> XRay:
    """A film of noise, 40 x 30 px, of 8 or 16 bits; each seed another."""
    kind, top = (np.uint16, 65536) if deep else (np.uint8, 256)
    pixels = np.random.default_rng(seed).integers(0, top, (40, 30)).astype(kind)
    return xray.read(cv2.imencode(".png", pixels)[1].tobytes(), f"{seed}.png")


def sha256(image: str) -> str:
    return hashlib.sha256(image.encode()).hexdigest()


def review(image: str = "a", label: str = "viral", **changes: Any) -> Review:
    """Of an image with a name of the tests' own; the model calls it pneumonia."""
    usual = Review(
        image_sha256=sha256(image),
        model_version="v1",
        preprocessing="grey-standardise-2",
        threshold=0.4,
        probability=0.9,
        heatmap_sha256=sha256("heatmap"),
        gate_status="accepted",
        label=label,
        confidence="sure",
        verdict="disagree" if label == "normal" else "agree",
    )
    return replace(usual, **changes)


def reading(image: str = "a", **changes: Any) -> Reading:
    """What a model version said of the image with this name."""
    usual = Reading(
        image_sha256=sha256(image),
        model_version="v1",
        preprocessing="grey-standardise-2",
        probability=0.7,
        logit=1.5,
        heatmap_sha256=sha256("heat"),
        gate_status="accepted",
        gate_score=3.25,
        gate_reason="Like the films it was trained on.",
    )
    return replace(usual, **changes)
