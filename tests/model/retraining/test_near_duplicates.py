"""The same film in another file is found; another film is not; the locked test set is refused."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from model import xray
from model.config import ROOT, settings
from model.errors import BundleError
from model.retraining import locked_test, near_duplicates
from model.retraining.near_duplicates import SAME, Fingerprint, fingerprint, of_shown
from tests.model.images import encode


def jpeg(grey: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)


def resized(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    shrinks = height < grey.shape[0]
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(grey, (width, height), interpolation=kind)


AGAIN = {
    "JPEG 50": lambda grey: jpeg(grey, 50),
    "larger": lambda grey: resized(grey, 1000, 800),
    "smaller": lambda grey: resized(grey, 96, 96),
    "negative": lambda grey: 255 - grey,
    "border": lambda grey: cv2.copyMakeBorder(grey, 12, 9, 20, 0, cv2.BORDER_CONSTANT, value=0),
    "brighter": lambda grey: np.uint8(255 * (grey / 255.0) ** 0.7),
}


def film(path: Path) -> np.ndarray:
    return xray.read(path.read_bytes(), path.name).display()


def bits(one: Fingerprint, other: Fingerprint) -> int:
    return (int(one.perceptual, 16) ^ int(other.perceptual, 16)).bit_count()


@pytest.mark.parametrize("name", AGAIN)
def test_a_film_that_was_written_again_is_the_same(samples: dict[str, Path], name: str):
    for file in ("normal-1.jpg", "pneumonia-1.jpg"):
        shown = film(samples[file])
        again = of_shown("", AGAIN[name](shown))
        assert bits(of_shown("", shown), again) <= SAME
        assert again.pixels != of_shown("", shown).pixels


def test_pairs_are_those_that_differ_in_few_bits():
    def hex_of(number: int) -> str:
        return f"{number:064x}"

    far = (1 << 256) - 1
    hashes = [hex_of(0), hex_of((1 << SAME) - 1), hex_of((1 << (SAME + 1)) - 1), hex_of(far)]
    assert near_duplicates.near_pairs(hashes) == [(0, 1, SAME), (1, 2, 1)]
    assert near_duplicates.nearest(hashes, [hex_of(0), hex_of(3)]) == [0, SAME - 2, SAME - 1, None]
    assert near_duplicates.nearest(hashes, []) == [None] * 4
    assert near_duplicates.near_pairs([]) == []


def test_a_film_is_found_as_a_file_as_a_picture_or_nearly():
    def film_of(file: str, picture: str, bits: int) -> Fingerprint:
        return Fingerprint(file, picture, f"{(1 << bits) - 1:064x}")

    others = [Fingerprint("gone", "", ""), film_of("b", "B", 0), film_of("c", "C", 200)]
    films = [
        film_of("gone", "A", 100), film_of("b", "X", 200), film_of("x", "C", 0),
        film_of("x", "X", SAME), film_of("x", "X", 100),
    ]  # fmt: skip
    assert near_duplicates.found_in(films, others) == [0, 1, 2, 1, None]


def test_more_films_than_fit_in_one_block():
    rng = np.random.default_rng(0)
    hashes = [rng.bytes(32).hex() for _ in range(600)]
    hashes[599] = hashes[3]
    assert near_duplicates.near_pairs(hashes) == [(3, 599, 0)]


@pytest.mark.real_data
def test_films_of_two_children_are_told_apart(shared_data: Path):
    """Of 500 films from both ends; the docstring has the figures of all 5,856."""
    paths = sorted((shared_data / "chest_xray_224" / "train").rglob("*.jpeg"))[::10]
    seen = [fingerprint(xray.read(path.read_bytes(), path.name)) for path in paths]
    assert near_duplicates.near_pairs([one.perceptual for one in seen]) == []
    for path in paths[::50]:
        for again in AGAIN.values():
            assert bits(of_shown("", film(path)), of_shown("", again(film(path)))) <= SAME


# --- the locked test set --------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder of a served bundle without a list; no list is shipped."""
    monkeypatch.setenv("XRAY_BUNDLE", str(tmp_path / "bundle"))
    monkeypatch.setattr(locked_test, "SHIPPED", tmp_path / "shipped")
    settings.cache_clear()
    yield tmp_path / "bundle"
    monkeypatch.undo()
    settings.cache_clear()


def test_the_list_finds_its_films_again_and_names_none(served: Path, samples: dict[str, Path]):
    path = samples["normal-1.jpg"]
    locked_test.write(served, [path])
    locked = locked_test.read()
    shown = film(path)
    again = [
        fingerprint(xray.read(path.read_bytes())),
        fingerprint(xray.read(encode(shown, "PNG"))),
        of_shown("0" * 64, jpeg(resized(shown, 500, 400), 60)),
        fingerprint(xray.read(samples["pneumonia-1.jpg"].read_bytes())),
    ]
    says = [reason.split(" is in ")[0] for reason in locked_test.why_refused(again, locked)]
    assert says == ["The same file", "The same picture", "Nearly the same picture", ""]
    assert "normal-1" not in (served / locked_test.FILE).read_text()


def test_without_a_list_nothing_is_locked(served: Path):
    assert locked_test.read() == []
    assert locked_test.why_refused([Fingerprint("a", "b", "0" * 64)], []) == [""]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 2, "films": []}', '{"format": 1, "films": [["a", "b", "c"]]}']
)
def test_a_damaged_list_is_refused_rather_than_left_out(served: Path, text: str):
    served.mkdir()
    (served / locked_test.FILE).write_text(text)
    with pytest.raises(BundleError, match=r"locked test set.*damaged.*evaluate --keep"):
        locked_test.read()


def test_the_shipped_list_is_small_and_beside_the_shipped_bundle():
    path = ROOT / "model" / "weights" / locked_test.FILE
    assert path.stat().st_size < 150_000
    assert len(json.loads(path.read_text())["films"]) == 618  # of 624 files six are there twice


@pytest.mark.real_data
def test_the_shipped_list_is_that_of_the_official_test_split(shared_data: Path):
    assert os.environ.get("XRAY_BUNDLE") is None
    paths = sorted((shared_data / "chest_xray_224" / "test").rglob("*.jpeg"))[::8]
    seen = [fingerprint(xray.read(path.read_bytes(), path.name)) for path in paths]
    reasons = locked_test.why_refused(seen, locked_test.read())
    assert set(reasons) == {"The same file is in the locked test set."}
