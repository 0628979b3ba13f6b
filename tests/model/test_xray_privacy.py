"""Nothing that names the patient leaves the reader of X-rays."""

import warnings

import numpy as np
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from model import xray
from model.errors import XRayError
from tests.model.images import dataset, encode, save
from tests.model.xray_cases import FILM, TWELVE, lut

SECRETS = ("Zaphod", "Beeblebrox", "19420311", "MRN77123")


def planted():
    """DICOM files with a name, a date and a number in every text element that takes one."""
    file = dataset(TWELVE, WindowCenter=2000, WindowWidth=1000, PatientAge="005Y")
    file.PatientName = "Beeblebrox^Zaphod"
    file.PatientID = file.AccessionNumber = "MRN77123"
    file.PatientBirthDate = file.StudyDate = "19420311"
    file.InstitutionName = file.ImageComments = file.StudyDescription = "Zaphod Beeblebrox"
    file.Modality, file.ViewPosition, file.BurnedInAnnotation = "ZAPHOD", "Zaphod", "Zaphod"
    file.VOILUTFunction = file.PresentationIntentType = "MRN77123"
    nested = Dataset()
    nested.PatientName = nested.ReferringPhysicianName = "Beeblebrox^Zaphod"
    file.ReferencedPatientSequence = [nested]
    file.VOILUTSequence = lut(np.arange(4096), 0, 16)
    file.VOILUTSequence[0].LUTExplanation = "Zaphod Beeblebrox"
    file.add_new(0x00091010, "LO", "Zaphod Beeblebrox")
    yield save(file)
    yield save(file, ImplicitVRLittleEndian)
    for keyword, vr in (("NumberOfFrames", "IS"), ("PhotometricInterpretation", "CS")):
        broken = dataset(TWELVE, PatientName="Beeblebrox^Zaphod")
        if keyword in broken:
            del broken[keyword]
        broken.add_new(keyword, "LO", "Zaphod")
        yield save(broken).replace(b"LO\x06\0Zaphod", vr.encode() + b"\x06\0Zaphod")
    report = dataset(TWELVE, PatientName="Beeblebrox^Zaphod")
    del report.PixelData
    yield save(report)


def test_nothing_that_names_the_patient_leaves_the_reader(caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = list(planted())
    caplog.clear()  # of what pydicom said when it wrote them
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = "Zaphod Beeblebrox"
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "Zaphod Beeblebrox MRN77123")
    text.add_itxt("Zaphod", "19420311", zip=True)
    files += [
        encode(FILM, "JPEG", exif=exif, comment=b"Zaphod Beeblebrox"),
        encode(FILM, "PNG", exif=exif, pnginfo=text),
        encode(FILM, "TIFF", tiffinfo={270: "Zaphod", 315: "Beeblebrox"}),
        encode(FILM, "WebP", exif=exif),
    ]
    files += [file[: len(file) * 3 // 4] for file in files]
    num_read = 0
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for file in files:
            try:
                film_read = xray.read(file, "a")
                told = repr(film_read) + repr({**vars(film_read), "pixels": None})
                num_read += 1
            except XRayError as error:
                told = repr(error) + str(error) + repr(vars(error)) + repr(error.__context__)
            told += caplog.text + " ".join(str(warning.message) for warning in seen)
            for secret in SECRETS:
                assert secret.upper() not in told.upper()
    assert num_read >= 6
