"""What the tests of retraining sets share: base data, films, reviews, and what was proposed."""

import itertools
from pathlib import Path

import cv2
import numpy as np

from model import xray
from model.clinic import reviews
from model.people.access import Actor
from model.retraining import manifest
from model.retraining import retraining_set as sets
from model.retraining.retraining_set import Proposal, RetrainingSet
from tests.model.images import encode
from tests.model.review_cases import ADMIN, review

_counter = itertools.count()


def first(folder: Path, label: str = "NORMAL") -> Path:
    """The first film of a label that is trained on."""
    return sorted((folder / "train" / label).iterdir())[0]


def propose(base: Path) -> Proposal:
    return sets.propose(ADMIN, base)


def frozen(base: Path, name: str = "autumn") -> RetrainingSet:
    return sets.freeze(ADMIN, propose(base), name)


def entries(one: RetrainingSet) -> tuple[manifest.Entry, ...]:
    return manifest.read(one.folder / manifest.FILE).entries


def names(found: Proposal, kind: str = "entries") -> list[str]:
    """Of one of the lists of a proposal, sorted."""
    return sorted(one.name if kind == "entries" else one.file for one in getattr(found, kind))


def reasons(found: Proposal, kind: str) -> dict[str, str]:
    return {one.file: one.reason for one in getattr(found, kind)}


def say(reader: Actor, label: str, data: bytes) -> str:
    """Keeps the film in these bytes with a review of it; the SHA-256 of the image."""
    film = xray.read(data)
    said = review(image_sha256=film.sha256, label=label)
    reviews.add(reader, said, f"key {next(_counter)}", film)
    return film.sha256


def new_film(seed: int) -> bytes:
    """A film of noise, 96 x 80 px; each seed another."""
    film = np.random.default_rng(seed).normal(100, 30, (80, 96))
    return encode(np.uint8(np.clip(film, 0, 255)), "PNG")


def again(path: Path) -> bytes:
    """The film larger and compressed anew."""
    film = xray.read(path.read_bytes()).display()
    larger = cv2.resize(film, (300, 250), interpolation=cv2.INTER_CUBIC)
    return encode(larger, "JPEG", quality=85)
