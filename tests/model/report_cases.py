"""What the tests of the report of one reading share: an X-ray of a patient, what is read of it."""

import io
import re
from datetime import UTC, datetime

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pypdf import PdfReader

from model import reading_report, xray
from model.prediction import Gate
from tests.model import images

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
