"""Files made to hurt: huge headers, bombs, endless lists, random bytes."""

import random
import struct
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from model import dicom as dicom_module
from model import image_formats, xray
from model.config import Settings
from model.errors import TooLarge, XRayError
from tests.model.images import dataset, dicom, encapsulated, encode, film, png, png_chunk, save
from tests.model.xray_cases import FILM, TWELVE, refusal, whole_files


@pytest.fixture
def small_limits(monkeypatch):
    small = Settings(Path(), Path(), max_file_bytes=1_000_000, max_pixels=1_000_000)
    for module in (xray, image_formats, dicom_module):
        monkeypatch.setattr(module, "settings", lambda: small)


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
