"""JPEG, PNG, BMP, TIFF and WebP: the picture that comes out, and when none does."""

import hashlib
import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from model import xray
from tests.model.images import encode, film, png, png_chunk
from tests.model.xray_cases import DEEP, FILM, refusal


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


def test_animations_are_refused():
    others = [Image.fromarray(FILM[::-1])]
    for kind in ("PNG", "WebP", "GIF"):
        error = refusal(encode(FILM, kind, save_all=True, append_images=others))
        assert "animated" in error.received


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
