"""What is kept of a DICOM file, and what of it stands in the objects made of it."""

import io
import logging
import pickle
import warnings
from dataclasses import replace
from datetime import timedelta, timezone
from functools import partial

import pydicom
import pytest
from highdicom.sr import srread

from model import reading_report, xray
from model.errors import XRayError
from model.prediction import Gate
from model.reading_report import source as source_of_file
from tests.model import images
from tests.model.report_cases import NOW, PATIENT, STUDY, dicom, made_of, parsed, source, texts


def test_what_is_kept_of_a_dicom_file_is_small_and_quotes_no_patient():
    data = dicom()
    kept = reading_report.source_of(data, xray.read(data))
    assert len(pickle.dumps(kept)) < 3000 < len(data)
    assert "Ortega" not in repr(kept)
    picture = images.encode(images.film(60, 70), "PNG")
    assert reading_report.source_of(picture, xray.read(picture)) is None


def test_damage_that_leaves_the_picture_whole_costs_no_report(reading):
    data = dicom()
    at = data.index(b"\2\0\0\0UL")  # the length of the file meta information
    damaged = data[: at + 4] + b"UO" + data[at + 6 :]
    made = parsed(made_of("secondary_capture", damaged, reading(damaged)))
    assert (made.PatientID, made.StudyInstanceUID) == ("MRN-77123", "1.2.3.4")


def test_a_file_whose_patient_cannot_be_read_has_no_source_and_is_quoted_nowhere(
    monkeypatch, caplog
):
    def fail(*_):
        raise NotImplementedError("Ortega")

    monkeypatch.setattr(source_of_file, "read_elements", fail)
    data = dicom()
    assert reading_report.source_of(data, xray.read(data)) is None
    assert "NotImplementedError" in caplog.text
    assert "Ortega" not in caplog.text


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


def test_of_several_frames_the_first_is_named(reading):
    frame = images.film(60, 70)
    data = images.dicom(frame, **(STUDY | PATIENT), NumberOfFrames=2, PixelData=2 * frame.tobytes())
    content = reading(data)
    capture = parsed(made_of("secondary_capture", data, content))
    assert capture.SourceImageSequence[0].ReferencedFrameNumber == 1
    report = srread(io.BytesIO(made_of("structured_report", data, content)))
    [group] = report.content.get_image_measurement_groups()
    assert group.source_images[0].referenced_frame_numbers == [1]
