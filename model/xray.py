"""bytes -> XRay: JPEG, PNG, BMP, TIFF, WebP and DICOM, told apart by their content.

`read` either returns a picture or raises XRayError with what was expected, received and to do.
Sizes are taken from the header and checked before pixels are unpacked. Text, EXIF and colour
profiles are cut out of JPEG and PNG before the decoder sees the file: they may name the patient,
and they are where small files that unpack to gigabytes hide.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
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
from model.language import N_, _

_WANTED = N_("a JPEG, PNG or DICOM X-ray")
_CHOOSE = N_("Choose the file of the X-ray itself.")
SEVERAL = N_("The first of several pages.")
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the second header
_ORIENTATION = 0x0112  # EXIF and TIFF tag
_BITS = 0x0102  # TIFF tag, bits per sample
_PHOTOMETRIC = 0x0106  # TIFF tag; 0 is WhiteIsZero

# (pattern at the start of the file, what it is, what to do)
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (rb"(?s).{0,1000}%PDF-", N_("a PDF document"), N_("Export the image from the PDF first.")),
    (rb"PK[\3\5\7]|Rar!|7z\xbc\xaf|\x1f\x8b", N_("a ZIP or other archive"), N_("Unpack it first.")),
    (rb"GIF8", N_("a GIF, which may be animated"), N_("Save the X-ray as PNG, JPEG or DICOM.")),
    (rb"(?s).{4}ftyp(hei|hev|mif|avi)", N_("a HEIC or AVIF photo"), N_("Save it as JPEG or PNG.")),
    (
        rb"(?s).{4}(ftyp|moov|mdat)|RIFF.{4}AVI |\x1aE\xdf\xa3|\0\0\1[\xb3\xba]",
        N_("a video"),
        N_("Export one frame as PNG."),
    ),
    (rb"\0\0\0\x0cjP  |\xffO\xffQ", N_("a JPEG 2000 file"), N_("Save it as PNG or DICOM.")),
    (
        rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)",
        N_("an HTML page"),
        N_("Save the image itself, not the page."),
    ),
    (
        rb"(\xef\xbb\xbf)?\s*<(\?xml|svg)",
        N_("an XML or SVG document"),
        _CHOOSE,
    ),
)


@dataclass(frozen=True, eq=False)
class XRay:
    """One decoded image. It holds nothing that names the patient, save a `name` that does.

    pixels: (H, W) uint8 or uint16, white = dense (bone), read-only, turned as EXIF says.
    window: (low, high) in units of pixels, shown as black and white at first; low < high. It may
        reach beyond the values that occur.
    kind: "JPEG", "PNG", "BMP", "TIFF", "WebP" or "DICOM".
    colourfulness: mean over the pixels of (largest - smallest channel) / 255, after an even tint
        has been taken out. Grey files: 0. A film saved as RGB or photographed by phone in warm or
        cold light: below 0.03. Colour photographs and screenshots of them: 0.1 to 0.5.
    notes: sentences for the reader of the image, in English, for example "First of 12 frames."
    modality, view, age_years, pixel_spacing_mm: DICOM only. Two-letter code; PA, AP, ...; at most
        90; (between rows, between columns).
    """

    pixels: np.ndarray = field(repr=False)
    window: tuple[float, float]
    kind: str
    name: str
    sha256: str
    num_bytes: int
    colourfulness: float
    notes: tuple[str, ...] = ()
    modality: str | None = None
    view: str | None = None
    age_years: float | None = None
    pixel_spacing_mm: tuple[float, float] | None = None

    def display(self) -> np.ndarray:
        """(H, W) uint8: `pixels` through `window`; `pixels` itself where that changes nothing."""
        if self.pixels.dtype == np.uint8 and self.window == (0, 255):
            return self.pixels
        low, high = self.window
        values = np.arange(np.iinfo(self.pixels.dtype).max + 1)  # (256,) or (65536,)
        table = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        return np.take(table, self.pixels)


def read(data: bytes, name: str = "") -> XRay:
    """Decode one file; `name` is only for messages and `XRay.name`, the type is in the bytes.

    Raises TooLarge (over `settings().max_file_bytes` or `max_pixels`) and XRayError (anything
    else that is wrong with the file), never another exception, whatever the bytes are.
    """
    label = _label(name, len(data))
    if len(data) > settings().max_file_bytes:
        raise TooLarge(
            _("a file of at most {size}", size=_size(settings().max_file_bytes)),
            _("a file that is larger{label}", label=label),
            _("Export a single image, or the same one compressed."),
        )
    kind = _kind(data, label)
    xray = None
    try:
        xray = _read_dicom(data, name, label) if kind == "DICOM" else _read(data, kind, name, label)
    except XRayError:
        raise
    except BaseException as error:
        # A panic of a decoder written in Rust (pylibjpeg-rle) is no Exception.
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
    if xray is None:  # raised here, not above: the decoder's own error may quote the file
        raise XRayError(
            _("a complete {kind} file", kind=kind),
            _(
                "a {kind} file that is damaged, cut short or of a rare variant{label}",
                kind=kind,
                label=label,
            ),
            _("Copy or export the X-ray again, if need be as PNG."),
        )
    xray.pixels.setflags(write=False)
    return xray


def _size(num_bytes: int) -> str:
    for unit, limit in (("MB", 1e6), ("KB", 1e3)):
        if num_bytes >= limit:
            return f"{num_bytes / limit:.1f} {unit}"
    return _("{n} bytes", n=num_bytes)


def _label(name: str, num_bytes: int) -> str:
    """' (scan.pdf, 1.2 MB)': the last part of the name, without control characters."""
    last = re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "", PurePosixPath(name.replace("\\", "/")).name)
    return f" ({last[-80:]}, {_size(num_bytes)})" if last else f" ({_size(num_bytes)})"


def _kind(data: bytes, label: str) -> str:
    """The type by magic bytes. Raises XRayError for what is no readable image, by its name."""
    if data[128:132] == b"DICM":  # first: the 128 bytes before it may be anything, even a TIFF
        return "DICOM"
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(_PNG):
        return "PNG"
    if data.startswith(_TIFF):
        return "TIFF"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    for pattern, what, todo in _FOREIGN:
        if re.match(pattern, data[:4096], re.IGNORECASE):
            raise XRayError(_(_WANTED), _(what) + label, _(todo))
    # DICOM without preamble: a data set that begins in group 0002 or 0008, in any encoding.
    if re.match(rb"[\2\x08]\0.\0([A-Z]{2}|.\0\0\0)|\0\x08\0.[A-Z]{2}", data, re.DOTALL):
        return "DICOM"
    if not data:
        what = _("an empty file")
    elif re.search(rb"[\0-\x08\x0e-\x1f]", data[:4096]):
        what = _("a file of unknown type")
    else:
        what = _("a text document")
    raise XRayError(_(_WANTED), what + label, _(_CHOOSE))


def _read_dicom(data: bytes, name: str, label: str) -> XRay:
    from model.dicom import read_dicom  # pydicom takes 0.2 s to import

    image = read_dicom(data, label)
    pixels, colourfulness = _to_grey(image.pixels)
    digest = hashlib.sha256(data).hexdigest()
    window = image.window or _window(pixels)
    return XRay(pixels, window, "DICOM", name, digest, len(data), colourfulness, *image[2:])


class _Opened(NamedTuple):
    """A file of which only the header has been read."""

    image: ImageFile
    orientation: int = 1  # 1 to 8, as EXIF has it
    core: bytes = b""  # JPEG and PNG: what the decoder was given


def _read(data: bytes, kind: str, name: str, label: str) -> XRay:
    """Every format but DICOM."""
    opened = _OPENERS[kind](data, kind, label)
    with opened.image as image:
        _check_pixels(image.size, kind, label)
        several = isinstance(image, _Tiff) and image.is_animated
        image.load()
        values = _values(image, opened.core or data)  # (H, W), (H, W, 3) or (H, W, 4)
    if kind == "JPEG" and _is_patched(opened.core, values):
        raise EOFError("the end of the JPEG is missing")
    pixels, colourfulness = _to_grey(values)
    pixels = np.ascontiguousarray(_turn(pixels, opened.orientation))
    notes = (SEVERAL,) if several else ()
    digest = hashlib.sha256(data).hexdigest()
    return XRay(pixels, _window(pixels), kind, name, digest, len(data), colourfulness, notes)


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
    kept, exif, animated, position = [_PNG], b"", False, 8
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


def _turn(values: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) upright. Orientation: TIFF 6.0, p. 36."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values


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
    return _turn(cv2.cvtColor(values, order), getattr(image, "orientation", 1))


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


def _to_grey(values: np.ndarray) -> tuple[np.ndarray, float]:
    """(H, W), RGB (H, W, 3) or RGBA (H, W, 4) -> ((H, W) by ITU-R BT.601, colourfulness).

    What is transparent is composed over black.
    """
    if values.ndim == 2:
        return values, 0.0
    top = np.iinfo(values.dtype).max
    step = max(1, round((values.shape[0] * values.shape[1] / 100_000) ** 0.5))
    sample = values[::step, ::step]  # a hundred thousand pixels give the mean well enough
    red, green, blue, *alpha = np.moveaxis(sample, 2, 0).astype(np.float32) / top
    # The light's own tint is taken out first: each channel gets the same mean (grey world).
    gains = [
        (red + green + blue).mean() / max(3 * float(c.mean()), 1e-6) for c in (red, green, blue)
    ]
    balanced = np.clip(np.stack([red * gains[0], green * gains[1], blue * gains[2]]), 0, 1)
    spread = balanced.max(axis=0) - balanced.min(axis=0)
    if not alpha:
        return cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_RGB2GRAY), float(spread.mean())
    grey = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_RGBA2GRAY)
    opacity = values[..., 3]
    if opacity.min() < top:
        grey = ((grey.astype(np.uint32) * opacity + top // 2) // top).astype(values.dtype)
    return grey, float((spread * alpha[0]).mean())


def _window(pixels: np.ndarray) -> tuple[float, float]:
    """All of 8 bit; of 16 bit, which is rarely filled, what occurs."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(pixels.min()), float(pixels.max())
    return low, max(high, low + 1)


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
