"""DICOM: how stored values become grey: windows, LUTs, slopes."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from model import xray
from tests.model.images import dataset, dicom, film, save
from tests.model.xray_cases import TWELVE, lut


def as_the_standard_has_it(stored, centre, width, slope=1.0, intercept=0.0, exact=False):
    """(H, W) 0 to 255 by the pseudo-code of DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.2."""
    x = stored.astype(float) * slope + intercept
    if exact:
        y = (x - centre) / width + 0.5
    else:
        y = (x - (centre - 0.5)) / (width - 1) + 0.5
    return np.clip(y, 0, 1) * 255


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("centre", "width", "slope", "intercept", "function"),
    [
        (2000, 1500, 1, 0, None),
        (2000, 1500, 1, 0, "LINEAR"),
        (2000, 1500, 1, 0, "LINEAR_EXACT"),
        (900, 700, 0.5, -5, None),
        (-900, 700, -0.5, 0, None),
        (30000, 9000, 20, 1000, None),
    ],
)
def test_dicom_linear_window(photometric, centre, width, slope, intercept, function):
    file = dataset(TWELVE, BitsStored=12, HighBit=11, PhotometricInterpretation=photometric)
    file.WindowCenter, file.WindowWidth = [centre, 9], [width, 9]  # the first of two is used
    file.RescaleSlope, file.RescaleIntercept = slope, intercept
    if function:
        file.VOILUTFunction = function
    film_read = xray.read(save(file))
    exact = function == "LINEAR_EXACT"
    expected = as_the_standard_has_it(TWELVE, centre, width, slope, intercept, exact)
    if photometric == "MONOCHROME1":
        expected = 255 - expected
    assert abs(film_read.display() - expected).max() <= 0.6
    # The whole range is still there, for a viewer to choose another window.
    assert len(np.unique(film_read.pixels)) == len(np.unique(TWELVE))
    assert film_read.pixels.dtype == np.uint16
    low, high = film_read.window
    assert film_read.pixels.min() < low < high < film_read.pixels.max()


def test_dicom_window_is_in_units_of_the_pixels():
    film_read = xray.read(dicom(TWELVE + 100, WindowCenter=2000.5, WindowWidth=1001))
    assert np.array_equal(film_read.pixels, TWELVE)
    assert film_read.window == (1400, 2400)
    inverted = xray.read(
        dicom(
            TWELVE, WindowCenter=2000.5, WindowWidth=1001, PhotometricInterpretation="MONOCHROME1"
        )
    )
    assert np.array_equal(inverted.pixels, 4095 - TWELVE)
    assert inverted.window == (1595, 2595)


def test_dicom_sigmoid():
    file = dataset(TWELVE, BitsStored=12, WindowCenter=2000, WindowWidth=900)
    file.VOILUTFunction = "SIGMOID"
    expected = 255 / (1 + np.exp(-4 * (TWELVE - 2000.0) / 900))  # PS3.3 C.11.2.1.3.1
    assert abs(xray.read(save(file)).display() - expected).max() <= 0.51


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_dicom_voi_lut(photometric, syntax):
    curve = np.sqrt(np.arange(4096) / 4095) * 1023
    file = dataset(TWELVE, BitsStored=12, PhotometricInterpretation=photometric)
    file.VOILUTSequence = lut(np.rint(curve), 0, 10)
    expected = np.rint(curve)[TWELVE] / 1023 * 255
    if photometric == "MONOCHROME1":
        expected = 255 - expected
    film_read = xray.read(save(file, syntax))
    assert abs(film_read.display() - expected).max() <= 0.51
    assert film_read.notes == ()


def test_dicom_lut_with_a_negative_first_value_and_eight_bit_entries():
    stored = film(top=1000, dtype=np.int16) - 500
    file = dataset(stored)
    file.VOILUTSequence = lut(np.arange(1000) // 4, -500, 8, "SS")
    expected = np.clip(stored.astype(int) + 500, 0, 999) // 4 / 249 * 255
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        assert abs(xray.read(save(file, syntax)).display() - expected).max() <= 0.51


def test_dicom_modality_lut_comes_before_the_window():
    file = dataset(film(top=99, dtype=np.uint16), WindowCenter=500.5, WindowWidth=1001)
    file.ModalityLUTSequence = lut(1000 - 10 * np.arange(100), 0, 16)
    expected = (1000 - 10 * film(top=99).astype(float)) / 1000 * 255
    assert abs(xray.read(save(file)).display() - expected).max() <= 0.51


def test_an_unusable_lut_is_left_out_and_said_so():
    file = dataset(TWELVE, WindowCenter=2000, WindowWidth=1000)
    file.VOILUTSequence = lut(np.arange(5), 0, 16)
    file.VOILUTSequence[0].LUTDescriptor = [4000, 0, 16]
    film_read = xray.read(save(file))
    assert film_read.notes == ("The VOI LUT in the file is unusable; it was ignored.",)
    assert film_read.window == (1500, 2499)


def test_dicom_without_window_shows_the_middle_99_percent():
    film_read = xray.read(dicom(TWELVE))
    assert film_read.window == tuple(np.percentile(TWELVE, [0.5, 99.5], method="inverted_cdf"))
    inverted = xray.read(dicom(TWELVE, PhotometricInterpretation="MONOCHROME1"))
    assert inverted.window == (4095 - film_read.window[1], 4095 - film_read.window[0])


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": 100, "WindowWidth": 1},
        {"WindowCenter": 100, "WindowWidth": -5},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": 100},
        {"WindowCenter": 90000, "WindowWidth": 10},
        {"RescaleSlope": 0, "RescaleIntercept": 1},
        {"RescaleSlope": "1E300", "RescaleIntercept": "1E300"},
    ],
)
def test_unusable_windows_and_slopes_do_not_break(elements):
    film_read = xray.read(dicom(TWELVE, **elements))
    assert np.array_equal(film_read.pixels, TWELVE)
    assert film_read.window == xray.read(dicom(TWELVE)).window


@pytest.mark.parametrize("word", [b"nan", b"inf", b"abc", b"1\\2"])
def test_numbers_that_are_none(word):
    data = dicom(TWELVE, RescaleSlope="4.0", RescaleIntercept="7.0", WindowCenter=9, WindowWidth=9)
    data = data.replace(b"4.0 ", word.ljust(4)).replace(b"7.0 ", word.ljust(4))
    assert np.array_equal(xray.read(data).pixels, TWELVE)
