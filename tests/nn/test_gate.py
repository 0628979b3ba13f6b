"""What is refused, in which words, and what is let through."""

import cv2
import numpy as np
import pytest

from model import xray
from model.config import settings
from model.nn import gate, gate_images
from model.nn.classifier import Classifier
from tests.model.images import dicom, encode


def noise(height=300, width=260, spread=40.0):
    """(H, W) uint8, in every shade of grey about the middle."""
    values = np.random.default_rng(0).normal(128, spread, (height, width))
    return np.clip(values, 0, 255).astype(np.uint8)


def check(pixels, **options):
    return gate.check(xray.read(encode(pixels, "PNG", **options), "film.png"))


def refusal(pixels):
    verdict = check(pixels)
    assert verdict.status == "refused"
    assert verdict.score == gate.REFUSED_FROM
    # one or two whole sentences that a clinician may read
    assert not verdict.reason[0].islower()
    assert verdict.reason.endswith(".")
    return verdict.reason


def tinted(grey, red, blue):
    """A grey film in warm or cold light: the channels are scaled."""
    channels = grey[..., None] * np.array([red, 1.0, blue])
    return np.clip(channels, 0, 255).astype(np.uint8)


def test_every_sample_is_accepted_without_a_word(samples):
    for path in samples.values():
        verdict = gate.check(xray.read(path.read_bytes(), path.name))
        assert (verdict.status, verdict.score, verdict.reason) == ("accepted", 0.0, ""), path.name


@pytest.mark.parametrize(("height", "width"), [(63, 200), (200, 63), (10, 10)])
def test_tiny_images_are_refused_with_their_size(height, width):
    reason = refusal(noise(height, width))
    assert f"{width} x {height} px" in reason
    assert "64 px" in reason


def test_the_smallest_film_is_accepted():
    assert check(noise(64, 64)).status == "accepted"


@pytest.mark.parametrize(("height", "width"), [(100, 301), (301, 100)])
def test_strips_are_refused_with_their_size(height, width):
    reason = refusal(noise(height, width))
    assert f"{width} x {height} px" in reason
    assert "shape" in reason


@pytest.mark.parametrize(("height", "width"), [(100, 300), (300, 100)])
def test_three_to_one_is_still_accepted(height, width):
    assert check(noise(height, width)).status == "accepted"


def test_colour_photographs_are_refused():
    photo = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    assert "colour" in refusal(cv2.GaussianBlur(photo, (0, 0), 1))


@pytest.mark.parametrize(("red", "blue"), [(1.08, 0.92), (0.93, 1.06), (1.3, 0.6)])
def test_a_film_photographed_in_warm_or_cold_light_is_accepted(samples, red, blue):
    grey = xray.read(samples["normal-1.jpg"].read_bytes()).pixels
    data = encode(tinted(grey, red, blue), "JPEG", quality=92)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert np.ptp(shown, axis=2).mean() > 15  # clearly tinted
    assert gate.check(xray.read(data)).status == "accepted"


def test_a_film_on_a_coloured_background_is_refused(samples):
    grey = xray.read(samples["normal-1.jpg"].read_bytes()).pixels
    table = np.repeat(grey[..., None], 3, axis=2)
    table[:, : grey.shape[1] // 2] = (60, 140, 40)
    assert "colour" in refusal(table)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_blank_images_are_refused(grey):
    assert "blank" in refusal(np.full((200, 200), grey, np.uint8))


def test_almost_blank_images_are_refused_and_faint_films_are_not():
    assert "blank" in refusal(noise(spread=3))
    assert check(noise(spread=8)).status == "accepted"


def test_contrast_is_that_of_the_window_not_of_the_stored_numbers():
    # 12 bits of which 40 values occur: shown through its window it has full contrast
    stored = (1000 + noise(128, 128).astype(np.uint16) // 6).astype(np.uint16)
    film = xray.read(dicom(stored, WindowCenter=1021, WindowWidth=42))
    assert gate.check(film).status == "accepted"
    # and through one of all 12 bits it is one grey
    film = xray.read(dicom(stored, WindowCenter=2048, WindowWidth=4096))
    assert "blank" in gate.check(film).reason


def test_a_drawing_is_refused():
    page = np.full((300, 400), 255, np.uint8)
    for i in range(20):
        page[10 * i : 10 * i + 7, 20 * i :] = 12 * i
    assert "drawing" in refusal(page)


def test_a_page_of_text_is_refused():
    page = np.full((300, 400), 255, np.uint8)
    for line in range(8):
        at = (20, 35 * line + 30)
        cv2.putText(page, "Discharge letter", at, 0, 1, 0, 2, cv2.LINE_AA)
    assert "text" in refusal(page)


# The shipped gate


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load(settings().bundle)


@pytest.fixture(scope="module")
def phantoms(samples):
    """The synthetic films as shown."""
    return [xray.read(path.read_bytes(), path.name).display() for path in samples.values()]


def answers(classifier, images):
    films = [xray.read(encode(image, "PNG"), "film.png") for image in images]
    return [prediction.gate.status for prediction in classifier.predict(films)]


def test_no_synthetic_film_is_refused(classifier, phantoms):
    assert "refused" not in answers(classifier, phantoms)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_no_film_on_its_side_or_upside_down_is_accepted(classifier, phantoms, turns):
    assert "accepted" not in answers(classifier, [np.rot90(film, turns) for film in phantoms])


def test_what_is_no_film_is_refused(classifier, phantoms):
    others = gate_images.other_images(phantoms, count=6)
    for group in others:
        if group.name in ("noise", "shapes", "photographs", "quarters"):
            assert set(answers(classifier, group.images)) == {"refused"}, group.name


def test_real_films_are_accepted(classifier, shared_data):
    paths = sorted((shared_data / "chest_xray_224" / "val").rglob("*.jpeg"))
    films = [xray.read(path.read_bytes(), path.name).display() for path in paths]
    assert answers(classifier, films).count("accepted") >= len(films) - 1
    assert "accepted" not in answers(classifier, [np.rot90(film, 2) for film in films])
