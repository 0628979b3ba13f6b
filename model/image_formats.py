"""JPEG, PNG, BMP, TIFF and WebP: bytes -> what the file shows, as grey or colour values.

Sizes are taken from the header and checked before pixels are unpacked. Text, EXIF and colour
profiles are cut out of JPEG and PNG before the decoder sees the file: they may name the patient,
and they are where small files that unpack to gigabytes hide.
"""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from model.config import settings
from model.errors import TooLarge, XRayError
from model.language import _

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112  # EXIF and TIFF tag
_BITS = 0x0102  # TIFF tag, bits per sample
_PHOTOMETRIC = 0x0106  # TIFF tag; 0 is WhiteIsZero


class Picture(NamedTuple):
    """What a file shows, before it is turned."""

    values: np.ndarray  # (H, W), RGB (H, W, 3) or RGBA (H, W, 4), uint8 or uint16
    orientation: int  # 1 to 8, as EXIF has it; see `turned`
    several: bool  # the first of several pages


class _Opened(NamedTuple):
    """A file of which only the header has been read."""

    image: ImageFile
    orientation: int = 1  # 1 to 8, as EXIF has it
    core: bytes = b""  # JPEG and PNG: what the decoder was given


def read_picture(data: bytes, kind: str, label: str) -> Picture:
    """The picture in a file of this kind, as in `XRay.kind`; of several pages the first.

    label: " (name, size)", put behind what was received in messages.
    Raises TooLarge (from the header, before pixels are unpacked) and XRayError (an animation);
    besides, whatever the decoders raise on damaged files, which the caller has to wrap.
    """
    opened = _OPENERS[kind](data, kind, label)
    with opened.image as image:
        _check_pixels(image.size, kind, label)
        several = isinstance(image, _Tiff) and image.is_animated
        image.load()
        values = _values(image, opened.core or data)
    if kind == "JPEG" and _is_patched(opened.core, values):
        raise EOFError("the end of the JPEG is missing")
    return Picture(values, opened.orientation, several)


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) upright. Orientation: TIFF 6.0, p. 36."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values


def _check_pixels(size: tuple[int, int], kind: str, label: str) -> None:
    if size[0] * size[1] > settings().max_pixels:
        raise TooLarge(
            _("an image of at most {n:g} million pixels", n=settings().max_pixels / 1e6),
            _(
                "a {kind} of {width} x {height} pixels{label}",
                kind=kind,
                width=size[0],
                height=size[1],
                label=label,
            ),
            _("Export it at a smaller size."),
        )


# Each opener returns the image with its header read and the EXIF orientation, 1 to 8. The plugin
# classes stand in for `Image.open`, which warns or raises by `Image.MAX_IMAGE_PIXELS`: that is
# global to the process, and neither ours to change nor safe from a change by others.
def _open_jpeg(data: bytes, kind: str, label: str) -> _Opened:
    core, exif = _jpeg_core(data)
    return _Opened(JpegImageFile(BytesIO(core)), _orientation(exif), core)


def _open_png(data: bytes, kind: str, label: str) -> _Opened:
    _check_pixels(struct.unpack(">II", data[16:24]), kind, label)
    core, exif, animated = _png_core(data)
    if animated:
        raise _animated(kind, label)
    return _Opened(PngImageFile(BytesIO(core)), _orientation(exif), core)


def _open_bmp(data: bytes, kind: str, label: str) -> _Opened:
    return _Opened(BmpImageFile(BytesIO(data)))


def _open_webp(data: bytes, kind: str, label: str) -> _Opened:
    """Size and animation are read here, as Pillow allocates the canvas when it opens the file."""
    chunk = data[12:16]  # https://developers.google.com/speed/webp/docs/riff_container
    if chunk == b"VP8X":
        if data[20] & 2:
            raise _animated(kind, label)
        width, height = (1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
    elif chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    _check_pixels((width, height), kind, label)
    image = WebPImageFile(BytesIO(data))
    return _Opened(image, _orientation(image.info.get("exif", b"")))


def _open_tiff(data: bytes, kind: str, label: str) -> _Opened:
    """Refuses tags of more numbers than any film has strips: as Python integers they take 50 times
    the memory that they take in the file."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (num_tags,) = struct.unpack_from(order + "H", data, start)
    for i in range(num_tags):
        _number, code, count = struct.unpack_from(order + "HHI", data, start + 2 + 12 * i)
        if code not in (1, 2, 6, 7) and count > 2**17:  # 1, 2, 6, 7 are bytes
            raise ValueError("a TIFF tag is too long")
    return _Opened(_Tiff(BytesIO(data)))  # Pillow turns a TIFF by itself


_OPENERS: dict[str, Callable[[bytes, str, str], _Opened]] = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "BMP": _open_bmp,
    "WebP": _open_webp,
    "TIFF": _open_tiff,
}


class _Tiff(TiffImageFile):
    """A TIFF whose WhiteIsZero is left to us (Pillow inverts 8 bit only), with no global limit."""

    white_is_zero = False
    orientation = 1

    def _setup(self) -> None:
        self.orientation = self.tag_v2.get(_ORIENTATION, 1)
        self.white_is_zero = self.tag_v2.get(_PHOTOMETRIC, 0) == 0
        if self.white_is_zero:
            self.tag_v2[_PHOTOMETRIC] = 1
        super()._setup()

    def load_prepare(self) -> None:
        if self._im is None:  # else Pillow makes it after a check by `Image.MAX_IMAGE_PIXELS`
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()


def _jpeg_core(data: bytes) -> tuple[bytes, bytes]:
    """(the JPEG without comments and metadata, its EXIF). Markers: ISO/IEC 10918-1 B.1.1.2."""
    kept, exif, position = [data[:2]], b"", 2
    for _segment in range(10_000):
        position = data.index(b"\xff", position)
        marker = data[position + 1]
        if marker == 0xDA:  # start of scan
            # A progressive JPEG of thousands of empty scans keeps a decoder busy for hours.
            if data.count(b"\xff\xda", position) > 200:
                break
            end = data.index(b"\xff\xd9", position)  # a second picture may follow it
            return b"".join(kept) + data[position : end + 2], exif
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # without a length
            position += 1 if marker == 0xFF else 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position:end]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            exif = exif or segment[10:]
        # JFIF and Adobe segments say how to turn the channels into RGB.
        if marker in (0xE0, 0xEE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(segment)
        position = end
    raise ValueError("more segments or scans than a picture needs")


def _png_core(data: bytes) -> tuple[bytes, bytes, bool]:
    """(the PNG with nothing but the picture, its EXIF, whether it is animated).

    Raises ValueError for a wrong checksum and EOFError for a cut file. Format: W3C PNG 3, 5.3.
    """
    kept, exif, animated, position = [PNG_SIGNATURE], b"", False, 8
    while position + 12 <= len(data) and len(kept) < 100_000:
        length = int.from_bytes(data[position : position + 4], "big")
        name, end = data[position + 4 : position + 8], position + 12 + length
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            chunk = data[position:end]
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                raise ValueError("a checksum is wrong")
            kept.append(chunk)
        elif name == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif name == b"acTL":
            animated = int.from_bytes(data[position + 8 : position + 12], "big") > 1
        if name == b"IEND":
            return b"".join(kept), exif, animated
        position = end
    raise EOFError("the end of the PNG is missing")


def _orientation(exif: bytes) -> int:
    """1 to 8 from an EXIF block (TIFF 6.0, IFD 0), 1 if there is none or it cannot be read."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (num_tags,) = struct.unpack_from(order + "H", tiff, start)
        for i in range(num_tags):
            tag, _type, _count, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * i)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _values(image: ImageFile, core: bytes) -> np.ndarray:
    """A loaded image as (H, W), RGB (H, W, 3) or RGBA (H, W, 4) of 8 or 16 bit."""
    transparent = image.info.get("transparency")
    if image.mode.startswith(("I", "F")):
        values = _to_uint16(np.asarray(image))
        if isinstance(transparent, int):
            values[values == transparent] = 0
    elif (deep := _deep_colour(image, core)) is not None:
        values = deep
    else:
        wanted = "L" if image.mode in ("1", "L") else "RGB"
        if transparent is not None or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
            wanted = "RGBA"
        values = np.asarray(image if image.mode == wanted else image.convert(wanted))
    if isinstance(image, _Tiff) and image.white_is_zero:
        values = np.iinfo(values.dtype).max - values
    return values


def _deep_colour(image: ImageFile, core: bytes) -> np.ndarray | None:
    """(H, W, 3 or 4) uint16 of a PNG or TIFF of 16 bits a channel, of which Pillow keeps 8."""
    if isinstance(image, PngImageFile):
        deep = core[24] == 16 and core[25] in (2, 4, 6)
    else:
        deep = isinstance(image, _Tiff) and image.tag_v2.get(_BITS) == (16, 16, 16)
    values = cv2.imdecode(np.frombuffer(core, np.uint8), cv2.IMREAD_UNCHANGED) if deep else None
    if values is None or values.dtype != np.uint16 or values.shape[2:] not in ((3,), (4,)):
        return None
    order = cv2.COLOR_BGR2RGB if values.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return turned(cv2.cvtColor(values, order), getattr(image, "orientation", 1))


def _to_uint16(values: np.ndarray) -> np.ndarray:
    """(H, W) of wide integers or floats -> uint16: shifted, or stretched if too wide."""
    if values.dtype.kind == "u" and values.itemsize == 2:
        return values.astype(np.uint16)
    integral = values.dtype.kind in "iu"
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    if integral and high - min(low, 0) <= 65535:
        return (values - min(low, 0)).astype(np.uint16)
    return np.rint((values - low) / max(high - low, 1e-300) * 65535).astype(np.uint16)


def _is_patched(core: bytes, values: np.ndarray) -> bool:
    """Whether a JPEG was cut and given an end again: decoders fill up with grey and do not say so.

    Only asked where the last block is that grey. Bytes before the end marker are skipped if the
    picture is complete, and become picture if it is not.
    """
    height, width = values.shape[:2]
    last = np.s_[(height - 1) // 8 * 8 :, (width - 1) // 8 * 8 :]
    if (values[last] != 128).any():
        return False
    filler = bytes(range(1, 200)) * 16
    with JpegImageFile(BytesIO(core[:-2] + filler + core[-2:])) as image:
        image.load()
        again = np.asarray(image.convert("L" if values.ndim == 2 else "RGB"))
    return not np.array_equal(again, values)


def _animated(kind: str, label: str) -> XRayError:
    return XRayError(
        _("a still image"),
        _("an animated {kind}{label}", kind=kind, label=label),
        _("Save one frame as PNG."),
    )
