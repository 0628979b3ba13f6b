"""bytes -> XRay: JPEG, PNG, BMP, TIFF, WebP and DICOM, told apart by their content.

`read` either returns a picture or raises XRayError with what was expected, received and to do.
"""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import cv2
import numpy as np

from model.config import settings
from model.errors import TooLarge, XRayError
from model.image_formats import PNG_SIGNATURE, read_picture, turned
from model.language import N_, _

_WANTED = N_("a JPEG, PNG or DICOM X-ray")
_CHOOSE = N_("Choose the file of the X-ray itself.")
SEVERAL = N_("The first of several pages.")
_TIFF = (b"II*\0", b"MM\0*")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the second header

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
    if data.startswith(PNG_SIGNATURE):
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


def _read(data: bytes, kind: str, name: str, label: str) -> XRay:
    """Every format but DICOM."""
    picture = read_picture(data, kind, label)
    pixels, colourfulness = _to_grey(picture.values)
    pixels = np.ascontiguousarray(turned(pixels, picture.orientation))
    notes = (SEVERAL,) if picture.several else ()
    digest = hashlib.sha256(data).hexdigest()
    return XRay(pixels, _window(pixels), kind, name, digest, len(data), colourfulness, notes)


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
