"""The PNG of one reading: the overlay above a strip of words."""

from dataclasses import replace

import pytest

from model import overlay, reading_report
from tests.model import images
from tests.model.report_cases import GONE, REFUSED, heat, opened


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((700, 900), (700, 900)), ((150, 100), (800, 533)), ((2600, 300), (2048, 236))],
)
def test_the_picture_is_the_overlay_above_a_strip(reading, shape, shown):
    film = images.film(*shape)
    picture = opened(reading_report.png(reading(images.encode(film, "PNG"))))
    height, width = shown
    assert picture.shape[1] == max(width, 800)
    assert picture.shape[0] > height + 60
    left = (picture.shape[1] - width) // 2
    if shape == shown:
        assert (picture[:height, left : left + width] == overlay.overlay(film, heat())).all()
    strip = picture[height:]
    assert (strip[:5] == (15, 25, 31)).all()
    assert (strip.max(axis=2) > 200).mean() > 0.01  # letters
    assert (strip[:, -5:] == (15, 25, 31)).all()  # none runs out of it


def test_the_overlay_at_full_size_says_below_the_film_that_the_gate_was_overruled(reading):
    film = images.film(700, 900)
    content = reading(images.encode(film, "PNG"))
    expected = overlay.overlay(film, heat())
    assert (opened(reading_report.overlay_png(content.xray, content.prediction)) == expected).all()
    overruled = replace(content.prediction, gate=REFUSED, overruled=True)
    marked = opened(reading_report.overlay_png(content.xray, overruled))
    assert (marked[:700] == expected).all()
    assert marked.shape[1] == 900
    letters = marked[700:].max(axis=2) > 200
    assert 0.01 < letters.mean() < 0.2
    assert not letters[:, -5:].any()  # none runs out of it


@pytest.mark.parametrize("width", [32, 150])
def test_the_mark_has_room_below_a_narrow_film(reading, width):
    content = reading(images.encode(images.film(200, width), "PNG"))
    overruled = replace(content.prediction, gate=REFUSED, overruled=True)
    marked = opened(reading_report.overlay_png(content.xray, overruled))
    assert marked.shape[1] == width
    assert (marked[200:].max(axis=2) > 200).any()


def test_the_strip_changes_with_what_it_says(reading):
    pictures = [
        reading_report.png(content)
        for content in (
            reading(),
            reading(threshold=0.9),
            reading(prediction={"probability": 0.6}),
            reading(prediction={"gate": REFUSED, "overruled": True}),
            reading(prediction=GONE),
        )
    ]
    assert len(set(pictures)) == 5
    assert pictures[0] == reading_report.png(reading())
