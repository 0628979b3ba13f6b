"""DICOM: stored values of every kind and encoding, and the facts beside them."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from model import xray
from tests.model.images import dataset, dicom, encapsulated, encode, film, lossless_jpeg, save
from tests.model.xray_cases import FILM, TWELVE, refusal


def test_signed_pixels():
    stored = film(top=3000, dtype=np.int16) - 1000
    assert np.array_equal(xray.read(dicom(stored)).pixels, stored + 1000)
    full = film(top=65535, dtype=np.int32) - 32768
    assert np.array_equal(xray.read(dicom(full.astype(np.int16))).pixels, full + 32768)
    eight = (film(top=255, dtype=np.int16) - 128).astype(np.int8)
    assert np.array_equal(xray.read(dicom(eight)).pixels, eight.astype(int) + 128)


def test_bits_that_are_not_stored_are_ignored():
    film_read = xray.read(dicom(TWELVE | 0xA000, BitsStored=12, HighBit=11))
    assert np.array_equal(film_read.pixels, TWELVE)


def test_eight_bit_dicom_is_as_any_eight_bit_file():
    for photometric, stored in (("MONOCHROME2", FILM[10:]), ("MONOCHROME1", 255 - FILM[10:])):
        film_read = xray.read(dicom(stored, PhotometricInterpretation=photometric))
        assert np.array_equal(film_read.display(), FILM[10:])
        assert film_read.pixels.dtype == np.uint8


def test_padding_is_black_and_not_counted():
    stored = TWELVE.astype(np.int16)
    stored[:20] = -2000
    plain = xray.read(dicom(stored, PixelPaddingValue=-2000))
    assert (plain.pixels[:20] == 0).all()
    assert np.array_equal(plain.pixels[20:], TWELVE[20:] - TWELVE[20:].min())
    assert plain.window[0] > 0
    inverted = xray.read(
        dicom(stored, PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1")
    )
    assert (inverted.display()[:20] == 0).all()
    stored[10:20] = -1990
    limits = xray.read(dicom(stored, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990))
    assert np.array_equal(limits.pixels, plain.pixels)
    flat = np.full((9, 9), 7, np.uint16)
    assert xray.read(dicom(flat, PixelPaddingValue=7)).pixels.shape == (9, 9)


def test_padding_is_a_value_that_a_pixel_can_have():
    wrapped = dataset(FILM)
    wrapped.add_new("PixelPaddingValue", "US", 65536 - 2000)  # 48 in 8 bit
    assert (FILM == 48).any()
    assert np.array_equal(xray.read(save(wrapped)).pixels, FILM)
    wrapped.PixelPaddingRangeLimit = 48  # of nothing
    assert np.array_equal(xray.read(save(wrapped)).pixels, FILM)
    file = dataset(TWELVE.astype(np.int16) - 2000)  # from -2000
    file.add_new("PixelPaddingValue", "US", 65536 - 2000)  # the same 16 bits
    padded = file.pixel_array == -2000
    assert (xray.read(save(file)).pixels[padded] == 0).all()
    assert xray.read(save(file)).pixels[~padded].min() == 0
    assert 0 < padded.sum() < padded.size


def test_float_pixels_and_nan():
    stored = film(top=1000, dtype=np.float32) / 7
    stored[0, 0], stored[0, 1], stored[0, 2] = np.nan, np.inf, -np.inf
    film_read = xray.read(dicom(stored))
    assert (film_read.pixels[0, :3] == 0).all()
    low, high = stored[np.isfinite(stored)].min(), stored[1:].max()
    assert abs(film_read.pixels[1:] / 65535 - (stored[1:] - low) / (high - low)).max() < 1e-4
    assert xray.read(dicom(np.full((4, 4), np.nan, np.float32))).pixels.max() == 0
    assert xray.read(dicom(np.array([[3e38, -3e38]], np.float32))).pixels.tolist() == [[65535, 0]]


def test_a_blank_dicom_has_a_window():
    for value in (0, 7, 65535):
        film_read = xray.read(dicom(np.full((9, 9), value, np.uint16)))
        assert film_read.window[0] < film_read.window[1]
        assert film_read.display().shape == (9, 9)


def test_of_several_frames_the_first_is_read():
    frames = np.stack([TWELVE, TWELVE[::-1], TWELVE[:, ::-1]])
    file = dataset(TWELVE, NumberOfFrames=3, PixelData=frames.tobytes())
    film_read = xray.read(save(file))
    assert np.array_equal(film_read.pixels, TWELVE)
    assert film_read.notes == ("First of 3 frames.",)
    file.compress(RLELossless, frames)
    assert np.array_equal(xray.read(save(file)).pixels, TWELVE)


def test_colour_dicom_becomes_grey():
    film_read = xray.read(dicom(np.dstack([FILM] * 3)))
    assert np.array_equal(film_read.pixels, FILM)
    assert (film_read.window, film_read.colourfulness) == ((0, 255), 0)
    coloured = xray.read(dicom(np.dstack([FILM, FILM[::-1], FILM[:, ::-1]])))
    assert coloured.colourfulness > 0.15


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_native_transfer_syntaxes(syntax):
    file = dataset(TWELVE, WindowCenter=2000, WindowWidth=1000)
    if syntax == ExplicitVRBigEndian:
        file.PixelData = TWELVE.astype(">u2").tobytes()
    data = save(file, syntax)
    assert np.array_equal(xray.read(data).pixels, TWELVE)
    if syntax != DeflatedExplicitVRLittleEndian:  # without preamble and file meta
        start = 144 + struct.unpack("<I", data[140:144])[0]
        film_read = xray.read(data[start:])
        assert np.array_equal(film_read.pixels, TWELVE)
        assert film_read.window == (1500, 2499)
    assert np.array_equal(xray.read(data[132:]).pixels, TWELVE)  # without preamble


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("stored", [FILM, TWELVE, TWELVE.astype(np.int16) - 2000])
def test_compressed_without_loss(syntax, stored):
    file = dataset(stored)
    file.compress(syntax)
    assert np.array_equal(xray.read(save(file)).pixels, stored - stored.min())


def test_jpeg_lossless_and_baseline():
    data = encapsulated(dataset(TWELVE, BitsStored=12), lossless_jpeg(TWELVE, 12), JPEGLosslessSV1)
    assert np.array_equal(xray.read(data).pixels, TWELVE)
    frame = encode(FILM, "JPEG")
    data = encapsulated(dataset(FILM), frame, JPEGBaseline8Bit)
    assert np.array_equal(xray.read(data).pixels, xray.read(frame).pixels)
    colour = np.dstack([FILM] * 3)
    frame = encode(colour, "JPEG")
    file = dataset(colour, PhotometricInterpretation="YBR_FULL_422")
    pixels = xray.read(encapsulated(file, frame, JPEGBaseline8Bit)).pixels
    assert abs(pixels.astype(int) - FILM).max() <= 6


def test_jpeg_ls():
    plain = Path(get_testdata_file("MR_small.dcm")).read_bytes()
    packed = Path(get_testdata_file("MR_small_jpeg_ls_lossless.dcm")).read_bytes()
    assert np.array_equal(xray.read(packed).pixels, xray.read(plain).pixels)


def test_an_unknown_compression_is_named():
    file = dataset(FILM)
    data = encapsulated(file, b"\0" * 100, "1.2.840.10008.1.2.4.103")  # MPEG-4
    assert "compressed in another way" in refusal(data).received


def test_dicom_without_an_image_is_named():
    for name, received in (
        ("test-SR.dcm", "Comprehensive SR Storage"),
        ("dicomdirtests/DICOMDIR", "Media Storage Directory Storage"),
        ("rtplan.dcm", "RT Plan Storage"),
    ):
        folder = Path(get_testdata_file("CT_small.dcm")).parent
        error = refusal((folder / name).read_bytes())
        assert f"a DICOM file without an image: {received}" in error.received


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("005Y", 5),
        ("018M", 1.5),
        ("010W", 70 / 365.25),
        ("090D", 90 / 365.25),
        ("089Y", 89),
        ("090Y", 90),
        ("114Y", 90),
        ("", None),
        ("5", None),
        ("05YY", None),
        ("-05Y", None),
    ],
)
def test_age(text, years):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, about the ages that are none
        data = dicom(TWELVE, PatientAge=text)
    assert xray.read(data).age_years == (years if years is None else pytest.approx(years))


def test_facts_are_on_an_allow_list():
    film_read = xray.read(dicom(TWELVE, Modality="DX", ViewPosition="AP", PixelSpacing=[0.1, 0.2]))
    facts = (film_read.modality, film_read.view, film_read.pixel_spacing_mm)
    assert facts == ("DX", "AP", (0.1, 0.2))
    film_read = xray.read(
        dicom(TWELVE, Modality="SMITH", ViewPosition="JOHN", ImagerPixelSpacing=[0.1, 0.1])
    )
    facts = (film_read.modality, film_read.view, film_read.pixel_spacing_mm)
    assert facts == (None, None, (0.1, 0.1))
    for spacing in ([0, 0], [-1, 1], [1e9, 1]):
        assert xray.read(dicom(TWELVE, PixelSpacing=spacing)).pixel_spacing_mm is None


def test_what_the_reader_has_to_know_is_noted():
    film_read = xray.read(
        dicom(TWELVE, PresentationIntentType="FOR PROCESSING", BurnedInAnnotation="YES")
    )
    assert [note.split()[0] for note in film_read.notes] == ["Raw", "The"]
