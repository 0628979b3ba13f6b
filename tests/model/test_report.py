"""The report of one reading: PDF, PNG, and DICOM objects that go back into the study."""

import io
import logging
import pickle
import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from PIL import Image
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pypdf import PdfReader

from model import language, overlay, reading_report, xray
from model.errors import BundleError, ConfigError, XRayError
from model.metrics import confusion
from model.prediction import Gate, Prediction
from model.reading_report import ReadingContent
from tests.model import images, versions

NOW = datetime(2026, 3, 4, 23, 5, 6, tzinfo=UTC)
PATIENT = {
    "PatientName": "Ortega^Lucía",
    "PatientID": "MRN-77123",
    "PatientBirthDate": "20210405",
    "PatientSex": "F",
    "PatientAge": "004Y",
    "StudyDate": "20260304",
    "StudyTime": "101112",
    "StudyID": "S9",
    "AccessionNumber": "A-5512",
    "ReferringPhysicianName": "Who^Doctor",
}
STUDY = {
    "StudyInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3.4.5",
    "SOPInstanceUID": "1.2.3.4.5.6",
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientOrientation": ["L", "F"],
    "Modality": "CR",
    "ViewPosition": "AP",
}
REFUSED = Gate("refused", 9.0, "This is no frontal chest X-ray.")
GONE = {"probability": None, "logit": None, "heatmap": None, "gate": REFUSED}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return versions.write_version(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def reading(bundle):
    """data, options -> content; `prediction` holds changes of the prediction."""

    def make(data=None, prediction=(), **options):
        film = xray.read(data if data else images.encode(images.film(300, 360), "PNG"))
        said = Prediction(
            0.873, 1.9, heat(), Gate("accepted", 1.0, "Like those of training."), versions.VERSION,
            heat_in_lungs=0.78, lungs_area=0.31,
        )  # fmt: skip
        said = replace(said, **dict(prediction))
        return ReadingContent(film, said, bundle, options.pop("threshold", 0.4), NOW,
                              **options)  # fmt: skip

    return make


def heat():
    """(14, 14) with one warm corner."""
    rows, columns = np.mgrid[0:14, 0:14]
    return np.exp(-((rows - 11) ** 2 + (columns - 2) ** 2) / 4).astype(np.float32)


def dicom(**elements):
    return images.dicom(images.film(300, 360), **(STUDY | PATIENT | elements))


def text_of(pdf):
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(pdf).pages))


def text(content):
    return text_of(io.BytesIO(reading_report.pdf(content)))


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)))


# The page


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


def test_a_reading_of_another_version_is_no_report_of_this_one(reading):
    with pytest.raises(BundleError, match="Read the X-ray again"):
        reading(prediction={"model_version": "vgg16-other"})


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.5}, {"band": -0.1}, {"read_at": NOW.replace(tzinfo=None)}]
)
def test_figures_out_of_range_are_refused(reading, wrong):
    with pytest.raises(ConfigError):
        replace(reading(), **wrong)


# The picture


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


def test_what_is_kept_of_a_dicom_file_is_small_and_quotes_no_patient():
    data = dicom()
    kept = reading_report.source_of(data, xray.read(data))
    assert len(pickle.dumps(kept)) < 3000 < len(data)
    assert "Ortega" not in repr(kept)
    picture = images.encode(images.film(60, 70), "PNG")
    assert reading_report.source_of(picture, xray.read(picture)) is None


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


# DICOM


SOURCES = {
    "explicit": {"syntax": ExplicitVRLittleEndian},
    "implicit": {"syntax": ImplicitVRLittleEndian, "implicit_vr": True, "little_endian": True},
    "big endian": {"syntax": ExplicitVRBigEndian, "implicit_vr": False, "little_endian": False},
    "deflated": {"syntax": DeflatedExplicitVRLittleEndian},
}


def source(kind="explicit", **elements):
    stored = images.film(60, 70, 4000, np.uint16)
    if kind == "big endian":
        stored = stored.byteswap()
    options = dict(SOURCES[kind])
    syntax = options.pop("syntax")
    file = images.dataset(stored, **(STUDY | PATIENT | elements))
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    return images.save(file, syntax)


def made_of(make, data, content):
    """The DICOM object of a reading, with what was kept of the file `data` that was read."""
    kept = reading_report.source_of(data, xray.read(data))
    return getattr(reading_report, make)(kept, content)


def parsed(data):
    return pydicom.dcmread(io.BytesIO(data))


def texts(report):
    """What the measurement group says in words."""
    [group] = report.content.get_image_measurement_groups()
    return {item.TextValue for item in group[0].ContentSequence if "TextValue" in item}


@pytest.mark.parametrize("make", ["secondary_capture", "structured_report"])
@pytest.mark.parametrize("kind", SOURCES)
def test_an_object_goes_into_the_study_of_the_x_ray(reading, make, kind):
    data = source(kind)
    made = parsed(made_of(make, data, reading(data)))
    for keyword, value in PATIENT.items():
        assert made[keyword].value == value
    assert made.StudyInstanceUID == "1.2.3.4"
    assert made.SeriesInstanceUID not in ("1.2.3.4.5", "1.2.3.4")
    assert made.SOPInstanceUID not in ("1.2.3.4.5.6", made.SeriesInstanceUID)
    assert (made.ContentDate, made.ContentTime) == ("20260304", "230506")
    assert made.SoftwareVersions == versions.VERSION


def test_the_capture_shows_the_picture_and_names_the_x_ray(reading):
    data = source(BurnedInAnnotation="NO", LossyImageCompression="01")
    content = reading(data)
    made = parsed(made_of("secondary_capture", data, content))
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    picture = opened(reading_report.png(content))
    assert (made.pixel_array == picture).all()
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.5.6"
    assert (made.BurnedInAnnotation, made.LossyImageCompression) == ("NO", "01")
    assert made.PatientOrientation == ["L", "F"]
    assert "not a diagnosis" in made.SeriesDescription
    assert "Pneumonia likely" in made.ImageComments


@pytest.fixture
def spanish(tmp_path, monkeypatch):
    """The reader has chosen a Spanish of some words."""
    said = {
        "Pneumonia likely": "Neumonía probable",
        "Gate": "Control de entrada",
        "refused": "rechazada",
        "The image is blank: it has almost no contrast.": "La imagen está en blanco.",
        "a {kind} file": "un archivo {kind}",
    }
    text = "\n".join(f'msgid "{key}"\nmsgstr "{words}"\n' for key, words in said.items())
    (tmp_path / "es.po").write_text(text, "utf-8")
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    monkeypatch.setattr(language, "_choose", lambda: "es")
    caches = (language._sentences, language.languages)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_the_page_is_in_the_language_of_the_reader(reading, spanish):
    pdf = reading_report.pdf(reading())
    assert PdfReader(io.BytesIO(pdf)).trailer["/Root"]["/Lang"] == "es"
    assert "Neumonía probable" in text_of(io.BytesIO(pdf))
    gate = Gate("refused", 9.0, "The image is blank: it has almost no contrast.")  # as it is kept
    said = text(reading(prediction=GONE | {"gate": gate}))
    assert "Control de entrada Rechazada. La imagen está en blanco." in said


def test_dicom_objects_are_in_english_whatever_the_reader_speaks(reading, spanish):
    data = source()
    content = reading(data)
    in_spanish = reading_report.png(content)
    capture = parsed(made_of("secondary_capture", data, content))
    assert "Pneumonia likely" in capture.ImageComments
    report = srread(io.BytesIO(made_of("structured_report", data, content)))
    assert any("Pneumonia likely" in said for said in texts(report))
    with language.in_english():
        assert (capture.pixel_array == opened(reading_report.png(content))).all()
    assert reading_report.png(content) == in_spanish
    with pytest.raises(XRayError, match="un archivo PNG"):
        reading_report.secondary_capture(None, reading())


def test_of_several_frames_the_first_is_named(reading):
    frame = images.film(60, 70)
    data = images.dicom(frame, **(STUDY | PATIENT), NumberOfFrames=2, PixelData=2 * frame.tobytes())
    content = reading(data)
    capture = parsed(made_of("secondary_capture", data, content))
    assert capture.SourceImageSequence[0].ReferencedFrameNumber == 1
    report = srread(io.BytesIO(made_of("structured_report", data, content)))
    [group] = report.content.get_image_measurement_groups()
    assert group.source_images[0].referenced_frame_numbers == [1]


@pytest.mark.parametrize("make", ["secondary_capture", "structured_report"])
def test_what_a_person_wrote_stays_out_of_the_objects(reading, make):
    data, write = source(), partial(made_of, make)
    said = {"reader_label": "viral pneumonia", "comment": "Left base.", "file_name": "film.dcm"}
    assert write(data, reading(data, **said)) == write(data, reading(data))


@pytest.mark.parametrize(
    ("options", "presence"),
    [
        ({}, codes.cid240.Present),
        ({"threshold": 0.9}, codes.cid240.Absent),
        ({"threshold": 0.85, "band": 0.1}, codes.cid240.Undetermined),
    ],
)
def test_the_report_is_read_by_highdicom(reading, options, presence):
    data = source()
    content = reading(data, **options)
    report = srread(io.BytesIO(made_of("structured_report", data, content)))
    flags = (report.PreliminaryFlag, report.VerificationFlag, report.CompletionFlag)
    assert flags == ("PRELIMINARY", "UNVERIFIED", "COMPLETE")
    [(study, _, instance, _)] = report.get_evidence()
    assert (study, instance) == ("1.2.3.4", "1.2.3.4.5.6")
    [group] = report.content.get_image_measurement_groups()
    assert (group.finding_type.value, group.finding_type.scheme_designator) == ("233604007", "SCT")
    values = {m.name.value: (m.value, m.unit) for m in group.get_measurements()}
    assert values[codes.DCM.Probability.value] == (0.873, codes.UCUM.NoUnits)
    assert values[codes.DCM.ThresholdValue.value] == (content.threshold, codes.UCUM.NoUnits)
    said = {e.name.meaning: e.value for e in group.get_qualitative_evaluations()}
    assert said["Presence of property"] == presence
    assert texts(report) >= {
        "Pneumoscope",
        versions.VERSION,
        f"SHA-256 of the weights {content.bundle.weights_sha256}",
        "Gate: Accepted. Like those of training.",
    }


def test_a_report_of_a_refused_x_ray_says_nothing_of_pneumonia(reading):
    data = source()
    report = srread(io.BytesIO(made_of("structured_report", data, reading(data, prediction=GONE))))
    [group] = report.content.get_image_measurement_groups()
    assert group.get_measurements() == []
    [gate] = group.get_qualitative_evaluations()
    assert gate.value.value == "refused"
    assert parsed(made_of("secondary_capture", data, reading(data, prediction=GONE))).Rows


@pytest.mark.parametrize("make", ["secondary_capture", "structured_report"])
def test_the_same_reading_is_the_same_object_and_another_is_not(reading, make):
    data, write = source(), partial(made_of, make)
    assert write(data, reading(data)) == write(data, reading(data))
    others = [
        reading(data),
        reading(data, threshold=0.5),
        reading(data, prediction={"probability": 0.8731}),
        replace(reading(data), read_at=NOW + timedelta(seconds=1)),
    ]
    made = [parsed(write(data, content)) for content in others]
    assert len({dataset.SOPInstanceUID for dataset in made}) == 4
    assert len({dataset.SeriesInstanceUID for dataset in made}) == 4


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+0530", ("20260305", "043506")),
        ("-0200", ("20260304", "210506")),
        ("", ("20260304", "230506")),
    ],
)
def test_times_are_in_the_zone_that_the_file_names(reading, offset, expected):
    data = source(TimezoneOffsetFromUTC=offset)
    content = replace(reading(data), read_at=NOW.astimezone(timezone(timedelta(hours=9))))
    made = parsed(made_of("structured_report", data, content))
    assert (made.ContentDate, made.ContentTime) == expected
    assert made.get("TimezoneOffsetFromUTC", "") == offset


@pytest.mark.parametrize("make", ["secondary_capture", "structured_report"])
def test_patient_values_against_the_rules_go_through_and_are_quoted_nowhere(reading, make, caplog):
    caplog.set_level(logging.DEBUG)
    bad = {"PatientBirthDate": b"born 5.4.21", "PatientSex": b"girl", "PatientName": b"A" * 70,
           "StudyDate": b"04.03.2026", "StudyTime": b"ten"}  # fmt: skip
    file = images.dataset(images.film(60, 70), **(STUDY | PATIENT))
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        for keyword, value in bad.items():
            padded = value + b" " * (len(value) % 2)
            tag = pydicom.tag.Tag(keyword)
            vr = file[tag].VR
            file[tag] = pydicom.dataelem.RawDataElement(
                tag, vr, len(padded), padded, 0, False, True
            )
        data = images.save(file)
    content = reading(data)
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        made = made_of(make, data, content)
    assert all(value in made for value in bad.values())
    quoted = caplog.text + " ".join(str(warning.message) for warning in warned)
    assert [value for value in bad.values() if value.decode() in quoted] == []


def test_names_in_other_scripts_come_out_as_they_came_in(reading):
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    data = source(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName=name)
    content = reading(data, prediction={"gate": Gate("unusual", 3.0, "Imagen rara: ¿niño?")})
    report = srread(io.BytesIO(made_of("structured_report", data, content)))
    assert report.PatientName == name
    assert "Gate: Unusual. Imagen rara: ?nino?" in texts(report)


def test_a_bare_file_gets_what_must_be_there_empty(reading):
    file = images.dataset(images.film(60, 70), StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.4")
    data = images.save(file)
    for make in ("secondary_capture", "structured_report"):
        made = parsed(made_of(make, data, reading(data)))
        assert made.PatientName == made.PatientID == made.StudyDate == ""
        assert "PatientAge" not in made


@pytest.mark.parametrize("make", ["secondary_capture", "structured_report"])
def test_what_is_no_source_is_refused(reading, make):
    write = partial(made_of, make)
    picture = images.encode(images.film(60, 70), "JPEG")
    with pytest.raises(XRayError, match=r"Received: a JPEG file\. Take the PDF or the PNG"):
        write(picture, reading(picture))
    with pytest.raises(XRayError, match="Received: another file"):
        write(source(), reading(source(PatientID="other")))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        data = images.dicom(images.film(60, 70), **({**STUDY, keyword: ""}))
        with pytest.raises(XRayError, match=f"without a valid {keyword}"):
            write(data, reading(data))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is missing")
@pytest.mark.parametrize("make", ["secondary_capture", "structured_report"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 0.85, "band": 0.1},
        {"prediction": GONE},
        {"prediction": {"gate": REFUSED, "overruled": True}},
    ],
)
def test_dciodvfy_finds_no_error(reading, make, options, tmp_path):
    data = source(BodyPartExamined="CHEST", BurnedInAnnotation="NO")
    path = tmp_path / "made.dcm"
    path.write_bytes(made_of(make, data, reading(data, **options)))
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert "Error" not in said, said
    assert done.returncode == 0
    assert ("SCImage" if make == "secondary_capture" else "ComprehensiveSR") in said
