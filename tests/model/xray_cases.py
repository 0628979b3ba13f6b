"""What the tests of reading an X-ray share: films, a file of every kind, a refusal."""

import re
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from model import xray
from model.errors import XRayError
from tests.model.images import dataset, dicom, encapsulated, encode, film, lossless_jpeg, png, save

FILM = film()
DEEP = film(top=60000, dtype=np.uint16)
TWELVE = film(top=4095, dtype=np.uint16)


def refusal(data, name="film"):
    with pytest.raises(XRayError) as caught:
        xray.read(data, name)
    assert caught.value.__context__ is None  # the decoder's own words may quote the file
    assert re.fullmatch(
        r"Expected .+\. Received: .+ \(.*\d (bytes|KB|MB)\)\. .+\.", str(caught.value)
    )
    return caught.value


def lut(entries, first, bits, vr="US"):
    item = Dataset()
    item.add_new(0x00283002, vr, [len(entries), first, bits])
    item.LUTData = np.asarray(entries, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


def whole_files():
    rle, j2k = dataset(TWELVE), dataset(TWELVE)
    rle.compress(RLELossless)
    j2k.compress(JPEG2000Lossless)
    return {
        "JPEG": encode(FILM, "JPEG"),
        "JPEG progressive": encode(FILM, "JPEG", progressive=True),
        "JPEG colour": encode(np.dstack([FILM, FILM[::-1], FILM]), "JPEG"),
        "PNG": encode(FILM, "PNG"),
        "PNG 16": png(np.dstack([DEEP, DEEP]), 4),
        "BMP": encode(FILM, "BMP"),
        "TIFF": encode(FILM, "TIFF"),
        "TIFF LZW": encode(DEEP, "TIFF", compression="tiff_lzw"),
        "WebP": encode(FILM, "WebP"),
        "DICOM": dicom(TWELVE, WindowCenter=2000, WindowWidth=1000),
        "DICOM implicit": save(dataset(TWELVE), ImplicitVRLittleEndian),
        "DICOM deflated": save(dataset(TWELVE), DeflatedExplicitVRLittleEndian),
        "DICOM RLE": save(rle),
        "DICOM J2K": save(j2k),
        "DICOM JPEG": encapsulated(dataset(FILM), encode(FILM, "JPEG"), JPEGBaseline8Bit),
        "DICOM lossless": encapsulated(
            dataset(TWELVE, BitsStored=12), lossless_jpeg(TWELVE, 12), JPEGLosslessSV1
        ),
        "DICOM JPEG-LS": Path(get_testdata_file("MR_small_jpeg_ls_lossless.dcm")).read_bytes(),
    }
