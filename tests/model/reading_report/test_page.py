"""The PDF of one reading: one page, with what was read, by what and how sure it is."""

import io
import re

import numpy as np
import pytest
from pypdf import PdfReader

from model import reading_report
from model.metrics import confusion
from model.prediction import Gate
from tests.model import images
from tests.model import version_cases as versions
from tests.model.report_cases import GONE, REFUSED, dicom, text, text_of


def test_the_page_says_what_was_read_by_what_and_how_sure_it_is(reading, bundle):
    content = reading(file_name="film.png", reader_label="viral pneumonia", comment="Left base.")
    said = text(content)
    counts = confusion(bundle.evaluations["test"].labels, bundle.probabilities("test"), 0.4)
    found, cleared = counts.sensitivity, counts.specificity
    assert (found.denominator, cleared.denominator) == (40, 20)
    for part in (
        "Pneumonia likely probability of pneumonia 0.87, threshold 0.4",
        "0.4, operating point “default”: finds 95 %, chosen on the a fold of 40 X-rays",
        f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f}), "
        f"{found.numerator} of 40 with pneumonia are found",
        f"{100 * cleared.value:.1f} % ({100 * cleared.low:.1f} to {100 * cleared.high:.1f}), "
        f"{cleared.numerator} of 20 without are cleared",
        "test split (60 X-rays), n = 60",
        "Accepted. Like those of training.",
        "78 % of the heat lies in the lungs; the lungs cover 31 % of the film",
        f"Model version {versions.VERSION}",
        bundle.weights_sha256,
        content.xray.sha256,
        "PNG, 360 x 300 px",
        "File film.png",
        "2026-03-04 23:05:06 UTC",
        "Reader's label viral pneumonia",
        "Reader's comment Left base.",
        "This is not a diagnosis.",
    ):
        assert part in said


def test_one_a4_page_whose_fonts_are_embedded_and_the_same_bytes_each_time(reading):
    pdf = reading_report.pdf(reading(comment="¿Neumonía? Да. ½"))
    assert pdf == reading_report.pdf(reading(comment="¿Neumonía? Да. ½"))
    [page] = PdfReader(io.BytesIO(pdf)).pages
    assert [float(side) for side in page.mediabox[2:]] == pytest.approx([595.28, 841.89], abs=0.1)
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert len(fonts) == 2
    assert all("/FontFile2" in font["/FontDescriptor"] for font in fonts)
    assert "¿Neumonía? Да. ½" in text_of(io.BytesIO(pdf))


def test_film_and_overlay_stand_side_by_side(reading):
    [page] = PdfReader(io.BytesIO(reading_report.pdf(reading()))).pages
    pictures = [np.asarray(found.image.convert("RGB")).astype(int) for found in page.images]
    film, shown = sorted(pictures, key=lambda picture: np.ptp(picture, axis=2).sum())
    assert film.shape == shown.shape == (300, 360, 3)
    assert np.abs(film - images.film(300, 360)[..., None]).mean() < 2  # JPEG
    colour = np.ptp(shown, axis=2)
    assert colour[200:260, 30:90].mean() > 30  # where the heat is
    assert colour[:100].mean() < 2


def test_markup_shows_as_text(reading):
    nasty = "<b>bold</b> <script>alert(1)</script> &amp; <img src='x'/> '; DROP TABLE reviews; --"
    content = reading(comment=f"{nasty}\nsecond\x00 li\x07ne \ud800", file_name=f"{nasty}.png",
                      reader_label="<i>other</i>")  # fmt: skip
    said = text(content)
    assert f"{nasty} second line" in said
    assert f"{nasty}.png" in said
    assert "<i>other</i>" in said


@pytest.mark.parametrize("shape", [(300, 360), (2600, 300), (60, 2000)])
def test_a_page_that_is_too_full_stays_one_page_and_says_what_was_cut(reading, shape):
    data = images.encode(images.film(*shape), "PNG")
    content = reading(
        data,
        comment="word " * 20_000,
        file_name="W" * 5000,
        band=0.05,
        prediction={"gate": REFUSED, "overruled": True},
    )
    reader = PdfReader(io.BytesIO(reading_report.pdf(content)))
    assert len(reader.pages) == 1
    said = text_of(io.BytesIO(reading_report.pdf(content)))
    assert said.count("word") > 100
    assert "[cut: the page is full]" in said
    assert "This is not a diagnosis." in said
    drawn = reader.pages[0].get_contents().get_data()  # "WIDTH 0 0 HEIGHT LEFT BOTTOM cm"
    heights = re.findall(rb"[\d.]+ 0 0 ([\d.]+) [\d.]+ [\d.]+ cm\s", drawn)
    assert max(float(height) for height in heights) < 300


def test_a_whole_comment_is_not_cut(reading):
    comment = " ".join(f"word{i}" for i in range(100))
    assert comment in text(reading(comment=comment))


def test_a_refused_reading_gives_no_probability(reading):
    said = text(reading(prediction=GONE))
    assert "Refused: no probability is given" in said
    assert "This is no frontal chest X-ray." in said
    assert "No heatmap: the X-ray was refused." in said
    assert "probability of pneumonia" not in said
    assert "sensitivity" not in said


def test_a_refusal_that_was_overruled_is_said_beside_the_verdict(reading):
    said = text(reading(prediction={"gate": REFUSED, "overruled": True}))
    assert said.count("Read against the gate's refusal") == 2
    assert "Pneumonia likely Read against the gate's refusal probability of pneumonia 0.8" in said


def test_no_heat_and_no_lungs_are_said_or_left_out(reading):
    said = text(reading(prediction={"heatmap": np.zeros((14, 14)), "heat_in_lungs": None}))
    assert "found no evidence for pneumonia to show" in said
    assert "Heat in the lungs" not in said


@pytest.mark.parametrize(
    ("threshold", "band", "words"),
    [(0.9, 0, "Pneumonia unlikely"), (0.85, 0.05, "Uncertain: refer for reading")],
)
def test_the_decision_follows_the_threshold_and_the_band(reading, threshold, band, words):
    said = text(reading(threshold=threshold, band=band))
    assert words in said
    assert f"{threshold:g}, set by the reader" in said
    assert ("Referred for reading between 0.8 and 0.9; there lay" in said) == bool(band)


@pytest.mark.parametrize("make", ["pdf", "png"])
def test_nothing_in_a_report_names_the_patient(reading, make):
    file = getattr(reading_report, make)(reading(dicom()))
    said = text_of(io.BytesIO(file)) if make == "pdf" else ""
    secrets = ("Ortega", "Luc", "MRN-77123", "20210405", "A-5512", "Who", "film.dcm")
    assert [secret for secret in secrets if secret.encode() in file or secret in said] == []


def test_the_page_is_in_the_language_of_the_reader(reading, spanish):
    pdf = reading_report.pdf(reading())
    assert PdfReader(io.BytesIO(pdf)).trailer["/Root"]["/Lang"] == "es"
    assert "Neumonía probable" in text_of(io.BytesIO(pdf))
    gate = Gate("refused", 9.0, "The image is blank: it has almost no contrast.")  # as it is kept
    said = text(reading(prediction=GONE | {"gate": gate}))
    assert "Control de entrada Rechazada. La imagen está en blanco." in said
