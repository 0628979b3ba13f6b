"""DICOM objects of one reading that go back into the study."""

import io
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from highdicom.sr import srread
from pydicom.sr.codedict import codes

from model import language, reading_report
from model.errors import XRayError
from tests.model import version_cases as versions
from tests.model.report_cases import (
    GONE,
    NOW,
    PATIENT,
    REFUSED,
    SOURCES,
    made_of,
    opened,
    parsed,
    source,
    texts,
)


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
