"""What is sent to the X-ray viewer; what it does with that is in tests/browser."""

import json
import time
import zlib

import numpy as np
import pytest

from pages.shared.viewer import MAX_PIXELS, outline, pack, shrink
from tests.browser.viewer_page import FILM_SIZE_PX


def test_packing_is_lossless_and_fast() -> None:
    rng = np.random.default_rng(0)
    film = rng.integers(0, 4096, (120, 150), dtype=np.uint16)
    film_bytes = _parts(pack(film, (0, 4095), {}, film_id="lossless"))[0]
    raw = np.frombuffer(zlib.decompress(film_bytes), np.uint8).reshape(2, *film.shape)
    rows = raw[0].astype(np.uint16) | (raw[1].astype(np.uint16) << 8)
    assert np.array_equal(np.cumsum(rows, axis=0, dtype=np.uint16), film)

    big = np.clip(rng.normal(120, 30, FILM_SIZE_PX[::-1]), 0, 255).astype(np.uint8)
    start = time.process_time()
    pack(big, (0, 255), {"heat": np.ones((14, 14), np.float32)}, film_id="fast")
    first = time.process_time() - start
    start = time.process_time()
    pack(big, (0, 255), {"heat": np.ones((14, 14), np.float32)}, film_id="fast")
    assert first < 0.2  # seconds of the processor; about .03 are usual
    assert time.process_time() - start < first / 2, "packed again"


def test_same_film_id_never_shows_another_film() -> None:
    films = [np.full((64, 64), value, np.uint8) for value in (10, 200)]
    first, second = (_parts(pack(film, (0, 255), {}, film_id="same"))[0] for film in films)
    assert first != second


@pytest.mark.parametrize("film_shape", [(224, 224), (448, 896)])
def test_the_outline_lies_where_the_mask_ends(film_shape: tuple[int, int]) -> None:
    mask = np.zeros((224, 224), bool)
    mask[60:160, 30:90] = mask[60:160, 140:200] = True
    found = []
    for line in outline(mask, film_shape).split("M")[1:]:
        points = np.array(line.removesuffix("Z").split(), float).reshape(-1, 2)  # x, y
        points *= 224 / np.array(film_shape[::-1])
        found.append([*points.min(axis=0), *points.max(axis=0)])
    expected = [[30, 60, 90, 160], [140, 60, 200, 160]]
    assert np.array(sorted(found)) == pytest.approx(np.array(expected), abs=0.6)
    assert outline(np.zeros((224, 224), bool), film_shape) == ""


def test_shrink_keeps_small_films_and_averages_large_ones() -> None:
    small = np.zeros((1200, 1500), np.uint8)
    assert shrink(small) is small
    large = np.zeros((3000, 4000), np.uint16)
    large[::2] = 4000
    shown = shrink(large)
    assert shown.size <= MAX_PIXELS
    assert shown.dtype == np.uint16
    assert shown.mean() == pytest.approx(2000, rel=0.02)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"film": np.zeros((4, 4, 3), np.uint8)}, ValueError, "shape"),
        ({"film": np.zeros((4, 4), np.float32)}, TypeError, "uint8 or uint16"),
        ({"window": (9, 9)}, ValueError, "low < high"),
        ({"heatmaps": {"heat": np.zeros(4)}}, ValueError, "heatmap"),
        ({"lungs": np.zeros((4, 4), np.uint8)}, ValueError, "lungs"),
    ],
)
def test_wrong_arguments_are_refused(changed: dict, error: type, words: str) -> None:
    right = {"film": np.zeros((4, 4), np.uint8), "window": (0, 1), "heatmaps": {}}
    with pytest.raises(error, match=words):
        pack(**{**right, **changed})


def _parts(packed: bytes) -> list[bytes]:
    """The film, heatmap and colour map bytes of what `pack` returns."""
    length = int.from_bytes(packed[:4], "little")
    at = 4 + length
    parts = []
    for size in json.loads(packed[4:at])["parts"]:
        parts.append(packed[at : at + size])
        at += size
    return parts
