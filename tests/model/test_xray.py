import hashlib
import io
import random
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageOps, PngImagePlugin
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
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

from model import dicom as dicom_module
from model import xray
from model.config import Settings
from model.errors import TooLarge, XRayError
from tests.model.images import (
    dataset,
    dicom,
    encapsulated,
    encode,
    film,
    lossless_jpeg,
    png,
    png_chunk,
    save,
)

FILM = film()
DEEP = film(top=60000, dtype=np.uint16)
TWELVE = film(top=4095, dtype=np.uint16)


@pytest.fixture
def small_limits(monkeypatch):
    small = Settings(Path(), Path(), max_file_bytes=1_000_000, max_pixels=1_000_000)
    monkeypatch.setattr(xray, "settings", lambda: small)
    monkeypatch.setattr(dicom_module, "settings", lambda: small)


def refusal(data, name="film"):
    with pytest.raises(XRayError) as caught:
        xray.read(data, name)
    assert caught.value.__context__ is None  # the decoder's own words may quote the file
    assert re.fullmatch(
        r"Expected .+\. Received: .+ \(.*\d (bytes|KB|MB)\)\. .+\.", str(caught.value)
    )
    return caught.value


# --- the ordinary formats ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WebP", {"lossless": True}),
    ],
)
def test_a_grey_file_comes_back_as_it_was(kind, options):
    data = encode(FILM, kind, **options)
    film_read = xray.read(data, "a.bin")
    assert np.array_equal(film_read.pixels, FILM)
    assert np.array_equal(film_read.display(), FILM)
    assert film_read.pixels.dtype == np.uint8
    assert not film_read.pixels.flags.writeable
    assert film_read.pixels.flags.c_contiguous
    assert film_read.window == (0, 255)
    assert film_read.kind == kind
    assert film_read.name == "a.bin"
    assert film_read.sha256 == hashlib.sha256(data).hexdigest()
    assert film_read.num_bytes == len(data)
    assert film_read.colourfulness == 0
    assert film_read.notes == ()
    assert film_read.modality is film_read.view is film_read.age_years is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
def test_jpeg_is_what_pillow_makes_of_it(options):
    data = encode(FILM, "JPEG", **options)
    assert np.array_equal(xray.read(data).pixels, np.asarray(Image.open(io.BytesIO(data))))


def test_the_type_is_in_the_bytes_not_in_the_name():
    assert xray.read(encode(FILM, "PNG"), "film.dcm").kind == "PNG"
    assert xray.read(dicom(TWELVE), "film.jpg").kind == "DICOM"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WebP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WebP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    data = encode(FILM, kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L")
    assert np.array_equal(xray.read(data).pixels, np.asarray(upright))


def test_broken_exif_is_ignored():
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        data = encode(FILM, "JPEG", exif=exif)
        assert xray.read(data).pixels.shape == FILM.shape


def test_grey_in_colour_is_grey():
    for mode in ("RGB", "P", "RGBA", "LA"):
        film_read = xray.read(encode(Image.fromarray(FILM).convert(mode), "PNG"))
        assert np.array_equal(film_read.pixels, FILM), mode
        assert film_read.colourfulness == 0


def test_black_and_white_png():
    film_read = xray.read(encode(Image.fromarray(FILM > 99), "PNG"))
    assert np.array_equal(film_read.pixels, np.where(FILM > 99, 255, 0))


def test_alpha_is_composed_over_black():
    alpha = film(top=255)[::-1]
    expected = np.rint(FILM * (alpha / 255.0)).astype(int)
    for values, colour_type in (
        (np.dstack([FILM, alpha]), 4),
        (np.dstack([FILM, FILM, FILM, alpha]), 6),
    ):
        film_read = xray.read(png(values, colour_type))
        assert abs(film_read.pixels.astype(int) - expected).max() <= 1
        assert film_read.colourfulness == 0


def test_transparent_colours_become_black():
    palette = Image.fromarray(FILM).convert("P")
    film_read = xray.read(encode(palette, "PNG", transparency=200))
    assert (film_read.pixels[FILM == 200] == 0).all()
    assert np.array_equal(film_read.pixels[FILM != 200], FILM[FILM != 200])
    value = int(DEEP[5, 5])
    film_read = xray.read(png(DEEP, 0, png_chunk(b"tRNS", struct.pack(">H", value))))
    assert (film_read.pixels[value == DEEP] == 0).all()
    assert np.array_equal(film_read.pixels[value != DEEP], DEEP[value != DEEP])


def test_sixteen_bits_stay_sixteen_bits():
    opaque = np.full_like(DEEP, 65535)
    for data in (
        png(DEEP, 0),
        png(np.dstack([DEEP, opaque]), 4),
        png(np.dstack([DEEP] * 3), 2),
        png(np.dstack([DEEP] * 3 + [opaque]), 6),
        encode(DEEP, "TIFF"),
        encode(DEEP, "TIFF", compression="tiff_lzw"),
        cv2.imencode(".tiff", np.dstack([DEEP] * 3))[1].tobytes(),
    ):
        film_read = xray.read(data)
        assert film_read.pixels.dtype == np.uint16
        assert np.array_equal(film_read.pixels, DEEP)
        assert film_read.window == (DEEP.min(), DEEP.max())
        assert (film_read.display().min(), film_read.display().max()) == (0, 255)
        assert film_read.colourfulness == 0
    half = np.full_like(DEEP, 32768)
    pixels = xray.read(png(np.dstack([DEEP, half]), 4)).pixels
    assert abs(pixels.astype(float) - DEEP / 2).max() <= 1


def test_cmyk_jpeg():
    cmyk = Image.merge("CMYK", [Image.new("L", (40, 48), 255)] * 3 + [Image.fromarray(FILM)])
    cmyk = ImageOps.invert(cmyk.convert("RGB")).convert("CMYK")
    data = encode(cmyk, "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").convert("L"))
    assert abs(xray.read(data).pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_white_is_zero(dtype, compression):
    values = film(top=255 if dtype == np.uint8 else 60000, dtype=dtype)
    film_read = xray.read(encode(values, "TIFF", tiffinfo={262: 0}, compression=compression))
    # Pillow inverts 8 bit when it writes WhiteIsZero, and not 16 bit.
    expected = values if dtype == np.uint8 else 65535 - values
    assert np.array_equal(film_read.pixels, expected)
    assert film_read.window == ((0, 255) if dtype == np.uint8 else (5535, 65535))


def test_wide_tiffs_become_sixteen_bit():
    film_read = xray.read(encode(film(top=3, dtype=np.float32) / 3 - 2, "TIFF"))
    assert film_read.window == (0, 65535)
    assert sorted(set(film_read.pixels.ravel())) == [0, 21845, 43690, 65535]
    film_read = xray.read(encode(film(top=9, dtype=np.int32) - 4, "TIFF"))
    assert np.array_equal(film_read.pixels, film(top=9))
    broken = film(top=3, dtype=np.float32)
    broken[0, 0] = np.nan
    assert xray.read(encode(broken, "TIFF")).pixels.shape == broken.shape


def test_of_a_tiff_of_several_pages_the_first_is_read():
    others = [Image.fromarray(FILM[::-1]), Image.fromarray(FILM)]
    film_read = xray.read(encode(FILM, "TIFF", save_all=True, append_images=others))
    assert np.array_equal(film_read.pixels, FILM)
    assert film_read.notes == ("The first of several pages.",)


def test_odd_shapes():
    for shape in ((1, 1), (1, 3000), (3000, 1)):
        for kind in ("PNG", "JPEG", "BMP", "TIFF", "WebP"):
            assert xray.read(encode(film(*shape), kind)).pixels.shape == shape


def test_display_goes_through_the_window():
    sample = xray.XRay(
        np.array([[0, 100, 150, 200, 999]], np.uint16), (100, 200), "PNG", "", "", 0, 0
    )
    assert sample.display().tolist() == [[0, 0, 128, 255, 255]]
    eight = xray.XRay(np.array([[0, 100, 200]], np.uint8), (100, 200), "PNG", "", "", 0, 0)
    assert eight.display().tolist() == [[0, 0, 255]]


def test_colourfulness_tells_film_tint_and_photograph_apart():
    grey = np.dstack([film(300, 300)] * 3)
    saved = xray.read(encode(grey, "JPEG", quality=75)).colourfulness
    warm = (grey * [1.0, 0.9, 0.75]).astype(np.uint8)
    tinted = xray.read(encode(warm, "JPEG")).colourfulness
    photo = np.dstack([film(300, 300), film(300, 300)[::-1], film(300, 300)[:, ::-1]])
    coloured = xray.read(encode(photo, "PNG")).colourfulness
    assert max(saved, tinted) < 0.03 < 0.1 < coloured <= 1


# --- DICOM: pixels ----------------------------------------------------------------------------


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


def lut(entries, first, bits, vr="US"):
    item = Dataset()
    item.add_new(0x00283002, vr, [len(entries), first, bits])
    item.LUTData = np.asarray(entries, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


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


# --- DICOM: facts and privacy -----------------------------------------------------------------


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


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (b"", "an empty file (film.jpg, 0 bytes)"),
        (b"%PDF-1.7\n%\xe2\xe3" + b"x" * 1_200_000, "a PDF document (film.jpg, 1.2 MB)"),
        (b"PK\x03\x04" + b"\0" * 50, "a ZIP or other archive"),
        (b"\x1f\x8b\x08" + b"\0" * 50, "a ZIP or other archive"),
        (b"  <!DOCTYPE html><html>", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b"<?xml version='1.0'?>", "an XML or SVG document"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC or AVIF photo"),
        (b"patient,finding\n1,normal\n", "a text document"),
        (b"BMI of the child: 17", "a text document"),
        ("Röntgenbild".encode(), "a text document"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a text document"),
        (bytes(range(256)), "a file of unknown type"),
        (encode(FILM, "GIF"), "a GIF"),
        (encode(FILM, "JPEG2000"), "a JPEG 2000 file"),
    ],
)
def test_other_files_are_named(data, received):
    assert refusal(data, "film.jpg").received.startswith(received)


def test_a_message_holds_the_name_but_no_path():
    assert "(scan.pdf, 8 bytes)" in str(refusal(b"%PDF-1.7", "/srv/up\\load/sc\nan.pdf"))
    assert "(8 bytes)" in str(refusal(b"%PDF-1.7", ""))
    assert len(str(refusal(b"%PDF-1.7", "x" * 5000))) < 300


def test_animations_are_refused():
    others = [Image.fromarray(FILM[::-1])]
    for kind in ("PNG", "WebP", "GIF"):
        error = refusal(encode(FILM, kind, save_all=True, append_images=others))
        assert "animated" in error.received


def test_dicom_without_an_image_is_named():
    for name, received in (
        ("test-SR.dcm", "Comprehensive SR Storage"),
        ("dicomdirtests/DICOMDIR", "Media Storage Directory Storage"),
        ("rtplan.dcm", "RT Plan Storage"),
    ):
        folder = Path(get_testdata_file("CT_small.dcm")).parent
        error = refusal((folder / name).read_bytes())
        assert f"a DICOM file without an image: {received}" in error.received


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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", whole_files())
def test_a_cut_file_is_refused(kind):
    data = whole_files()[kind]
    assert xray.read(data)
    # Pillow puts the directory of a TIFF in front; files that end in padding may lose that.
    for share in (0.02, 0.2, 0.5, 0.9, 0.97):
        refusal(data[: int(len(data) * share)])


def test_a_jpeg_that_was_cut_and_given_an_end_is_refused():
    for options in ({}, {"progressive": True}, {"subsampling": 0}):
        for picture in (film(400, 300), np.dstack([film(400, 300)] * 3)):
            data = encode(picture, "JPEG", quality=95, **options)
            assert xray.read(data)
            start = data.index(b"\xff\xda")
            for share in (0.03, 0.5, 0.9):
                cut = data[: start + 14 + int((len(data) - start) * share)]
                if options.get("progressive") and share > 0.03:
                    continue  # a later pass is missing: less sharp, but all there
                refusal(cut + b"\xff\xd9")
    grey = np.full((64, 64), 128, np.uint8)
    assert (xray.read(encode(grey, "JPEG")).pixels == 128).all()


def test_bit_rot_in_a_png_is_found():
    data = bytearray(encode(film(200, 200), "PNG"))
    for place in (len(data) // 2, data.index(b"IEND") - 6):  # in the picture, in its checksum
        data[place] ^= 4
        assert "damaged" in refusal(bytes(data)).received
        data[place] ^= 4
    assert xray.read(bytes(data))


def test_an_unknown_compression_is_named():
    file = dataset(FILM)
    data = encapsulated(file, b"\0" * 100, "1.2.840.10008.1.2.4.103")  # MPEG-4
    assert "compressed in another way" in refusal(data).received


# --- limits -----------------------------------------------------------------------------------


def resized(file, rows, columns, **elements):
    file.Rows, file.Columns = rows, columns
    for keyword, value in elements.items():
        setattr(file, keyword, value)
    return save(file)


def bombs():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    yield (
        "PNG",
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(3_000_000)))
        + png_chunk(b"IEND", b""),
    )
    yield (
        "JPEG",
        encode(FILM, "JPEG").replace(struct.pack(">HH", 48, 40), struct.pack(">HH", 65000, 65000)),
    )
    yield (
        "BMP",
        encode(FILM, "BMP").replace(struct.pack("<ii", 40, 48), struct.pack("<ii", 60000, 60000)),
    )
    tags = {256: 60000, 257: 60000, 258: 8, 262: 1, 273: 8}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    yield "TIFF", b"II*\0\x08\0\0\0\x05\0" + body + bytes(64)
    canvas = (59999).to_bytes(3, "little") * 2
    yield "WebP", b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas + bytes(64)
    yield (
        "WebP",
        b"RIFF\x40\0\0\0WEBPVP8L\x20\0\0\0\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(64),
    )
    yield "DICOM", resized(dataset(TWELVE), 60000, 60000)
    yield "DICOM", resized(dataset(TWELVE), 48, 40, NumberOfFrames=100_000)
    rle = dataset(TWELVE)
    rle.compress(RLELossless)
    yield "DICOM", resized(rle, 60000, 60000)


@pytest.mark.parametrize(("kind", "data"), [pytest.param(*bomb, id=bomb[0]) for bomb in bombs()])
def test_a_huge_header_is_refused_before_unpacking(kind, data):
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(TooLarge, match="at most 64 million pixels"):
        xray.read(data)
    assert time.perf_counter() - started < 2
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_file_over_the_limit_is_refused(small_limits):
    with pytest.raises(TooLarge, match=r"at most 1\.0 MB"):
        xray.read(bytes(1_000_001))
    with pytest.raises(TooLarge, match="at most 1 million pixels"):
        xray.read(encode(film(1001, 1000), "PNG"))
    assert xray.read(encode(film(1000, 1000), "PNG"))


def peak_bytes(data):
    tracemalloc.start()
    with pytest.raises(XRayError) as caught:
        xray.read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, caught.value


def test_a_deflated_bomb_is_not_inflated(small_limits):
    data = save(dataset(TWELVE), DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack("<I", data[140:144])[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(bytes(200_000_000)) + packer.flush()
    peak, error = peak_bytes(data[:start] + bomb)
    assert isinstance(error, TooLarge)
    assert peak < 20e6


def test_a_codestream_of_another_size_than_the_header_is_refused(small_limits):
    large = dataset(np.zeros((3000, 3000), np.uint8))
    for packed in (JPEG2000Lossless, None):
        if packed:
            large.compress(packed)
            frame = pydicom.encaps.get_frame(large.PixelData, 0, number_of_frames=1)
        else:
            packed, frame = JPEGBaseline8Bit, encode(np.zeros((3000, 3000), np.uint8), "JPEG")
        peak, _ = peak_bytes(encapsulated(dataset(FILM), frame, packed))
        assert peak < 8e6


def test_text_and_tags_do_not_unpack():
    packed = zlib.compress(bytes(300_000_000), 9)
    chunks = [
        png_chunk(b"zTXt", b"a\0\0" + packed),
        png_chunk(b"iTXt", b"a\0\1\0\0\0" + packed),
        png_chunk(b"iCCP", b"a\0\0" + packed),
    ]
    data = png(FILM, 0, *chunks)
    tracemalloc.start()
    assert np.array_equal(xray.read(data).pixels, FILM)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    numbers = 4_000_000
    tags = [(256, 4, 1, 40), (257, 4, 1, 48), (258, 3, numbers, 100), (262, 3, 1, 1)]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    tiff = (b"II*\0\x08\0\0\0\x04\0" + body).ljust(100, b"\0") + b"\x08\0" * numbers
    peak, _ = peak_bytes(tiff)
    assert peak < 30e6


def test_a_dicom_of_endless_items_is_refused():
    data = dicom(TWELVE)
    place = data.index(b"\xe0\x7f\x10\x00")
    item = b"\xfe\xff\0\xe0\0\0\0\0"
    for count, readable in ((10, True), (1_000_000, False)):
        sequence = b"\x28\0\x10\x99SQ\0\0\xff\xff\xff\xff" + item * count
        whole = data[:place] + sequence + b"\xfe\xff\xdd\xe0\0\0\0\0" + data[place:]
        started = time.process_time()
        assert xray.read(whole) if readable else refusal(whole)
        assert time.process_time() - started < 2


def test_a_jpeg_of_endless_scans_or_segments_is_refused():
    data = encode(film(200, 200), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    refusal(data[:-2] + scan * 400 + b"\xff\xd9")
    refusal(data[:2] + b"\xff\xfe\0\2" * 50_000 + data[2:])
    assert xray.read(data[:2] + b"\xff\xfe\0\2" * 50 + data[2:])


def test_pillows_own_limit_is_neither_used_nor_changed(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", FILM.size - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind, data in whole_files().items():
            if not kind.startswith("DICOM JPEG-LS"):
                assert xray.read(data), kind
    assert FILM.size - 1 == Image.MAX_IMAGE_PIXELS


# --- robustness -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_no_mutation_gets_anything_but_an_xray_error_out_of_read(small_limits):
    chance = random.Random(20240611)
    kinds = whole_files()
    num_read = num_refused = 0
    for _ in range(20):
        for data in kinds.values():
            mutant = bytearray(data)
            for _ in range(chance.choice([1, 3, 20])):
                place = chance.randrange(chance.choice([64, 400, len(mutant)]) % len(mutant) + 1)
                mutant[place % len(mutant)] = chance.choice([0, 1, 127, 255, chance.randrange(256)])
            if chance.random() < 0.2:
                del mutant[chance.randrange(len(mutant)) :]
            try:
                film_read = xray.read(bytes(mutant), "a")
                num_read += 1
            except XRayError:
                num_refused += 1
                continue
            assert film_read.pixels.ndim == 2
            assert film_read.pixels.dtype in (np.uint8, np.uint16)
            assert film_read.window[0] < film_read.window[1]
            assert film_read.display().dtype == np.uint8
    assert num_read > 50
    assert num_refused > 50


def test_a_panic_of_a_decoder_is_a_refusal_and_an_interrupt_is_not(monkeypatch):
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    for raised in (panic, MemoryError, RecursionError):
        monkeypatch.setattr(xray, "_read", lambda *_, error=raised: (_ for _ in ()).throw(error()))
        refusal(encode(FILM, "PNG"))
    monkeypatch.setattr(xray, "_read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        xray.read(encode(FILM, "PNG"))


def test_threads_do_not_disturb_each_other():
    files = list(whole_files().values()) * 4
    alone = [xray.read(file).pixels for file in files]
    with ThreadPoolExecutor(8) as pool:
        together = [read.pixels for read in pool.map(xray.read, files)]
    assert all(map(np.array_equal, alone, together))


def test_the_import_is_light():
    code = "import sys, model.xray; print({'pydicom', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
