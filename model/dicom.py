"""DICOM: bytes -> the first frame as grey or colour pixels, and an allow-list of plain facts.

Only the elements in `_KEYWORDS` are ever read from the file, so that no other element, above all
none that names the patient, can reach a picture, a message or a log. Order of the grey pipeline:
rescale (or modality LUT), VOI window (or VOI LUT), inversion of MONOCHROME1 (DICOM PS3.3 C.11,
PS3.4 N.2). All of it is worked out on the at most 65536 levels that occur, not on the pixels.
"""

import math
import re
import zlib
from io import BytesIO
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    UncompressedTransferSyntaxes,
)

from model.config import settings
from model.errors import TooLarge, XRayError
from model.language import N_, _

_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# fmt: off
_KEYWORDS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "Modality", "ViewPosition", "PatientAge",
    "PixelSpacing", "ImagerPixelSpacing", "PresentationIntentType", "BurnedInAnnotation",
)
# DICOM PS3.3 C.8.11.5 and C.8.1.1, and words that some devices write instead.
_VIEWS = {
    "AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO",
    "LAT", "LATERAL", "OBLIQUE", "DECUBITUS",
}
# fmt: on
_PALETTES = [
    f"{kind}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for kind, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
]
_TAGS: list[Any] = [Tag(keyword) for keyword in (*_KEYWORDS, *_PIXEL_KEYWORDS, *_PALETTES)]

_READABLE = {
    *UncompressedTransferSyntaxes,
    RLELossless,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
}
_DAYS_PER_YEAR = 365.25
_AGE_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 7 / _DAYS_PER_YEAR, "D": 1 / _DAYS_PER_YEAR}
_FULL = 65535
# Notes; "First of 12 frames." has its pattern in `model.phrases`.
RAW = N_("Raw detector image, marked as not for presentation.")
BURNED_IN = N_("The file says that text is burned into the picture; it may name the patient.")
NO_WINDOW = N_("The window in the file shows none of its values; it was not used.")
NO_SLOPE = N_("The rescale slope in the file is unusable; it was ignored.")
NO_LUT = N_("The VOI LUT in the file is unusable; it was ignored.")
_HUGE = 1e100  # beyond it float64 overflows in the sums below


class DicomImage(NamedTuple):
    """The first frame. `window` is None in colour, where the picture is meant as it is."""

    pixels: np.ndarray  # (H, W) uint8 or uint16, white = dense; colour: (H, W, 3), RGB
    window: tuple[float, float] | None
    notes: tuple[str, ...]
    modality: str | None
    view: str | None
    age_years: float | None
    pixel_spacing_mm: tuple[float, float] | None


def read_dicom(data: bytes, label: str) -> DicomImage:
    """The first frame of a DICOM file, with or without preamble.

    label: " (name, size)", put behind what was received in messages.
    Raises TooLarge (from the header, before pixels are unpacked) and XRayError; besides, whatever
    pydicom and the decoders raise on damaged files, which the caller has to wrap.
    """
    dataset = _parse(data, label)
    frames = max(1, int(_number(dataset, "NumberOfFrames") or 1))
    photometric = _text(dataset, "PhotometricInterpretation")
    if not re.fullmatch("MONOCHROME[12]|RGB|PALETTE COLOR|YBR_[A-Z_0-9]{3,11}", photometric):
        raise ValueError("unknown photometric interpretation")
    # Put back checked, as pydicom would quote a bad value in a warning and in the log.
    dataset.add_new("NumberOfFrames", "IS", frames)
    dataset.add_new("PhotometricInterpretation", "CS", photometric)
    rows, columns, samples = (
        int(dataset.get(keyword) or 1) for keyword in ("Rows", "Columns", "SamplesPerPixel")
    )
    if rows * columns * frames * samples > settings().max_pixels:
        raise TooLarge(
            _("an image of at most {n:g} million pixels", n=settings().max_pixels / 1e6),
            _(
                "a DICOM image of {columns} x {rows} pixels, {frames} frame(s) of {samples} "
                "channel(s){label}",
                columns=columns,
                rows=rows,
                frames=frames,
                samples=samples,
                label=label,
            ),
            _("Export it at a smaller size or as a single frame."),
        )
    notes = [f"First of {frames} frames."] if frames > 1 else []
    if _text(dataset, "PresentationIntentType") == "FOR PROCESSING":
        notes.append(RAW)
    if _text(dataset, "BurnedInAnnotation") == "YES":
        notes.append(BURNED_IN)
    stored = _first_frame(dataset, frames, label)
    window = None
    if stored.ndim == 2:
        stored, window = _grey(dataset, stored, notes)
    return DicomImage(stored, window, tuple(notes), *_facts(dataset))


def _parse(data: bytes, label: str) -> Dataset:
    """The elements of `_KEYWORDS`, with the transfer syntax in `file_meta`.

    Not `dcmread`: it inflates a deflated file without a bound.
    """
    _check_items(data)
    stream = BytesIO(data)
    read_preamble(stream, force=True)
    meta = FileMetaDataset(
        read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    )
    syntax = meta.get("TransferSyntaxUID")
    if syntax is None:
        head = data[stream.tell() : stream.tell() + 6]
        explicit = ExplicitVRBigEndian if head[:1] == b"\0" else ExplicitVRLittleEndian
        syntax = explicit if re.fullmatch(rb"[A-Z]{2}", head[4:]) else ImplicitVRLittleEndian
    meta.TransferSyntaxUID = UID(syntax)
    if syntax == DeflatedExplicitVRLittleEndian:
        data = _inflate(stream.read(), label)
        _check_items(data)
        stream = BytesIO(data)
    dataset = read_dataset(
        stream,
        syntax == ImplicitVRLittleEndian,
        syntax != ExplicitVRBigEndian,
        specific_tags=_TAGS,
    )
    dataset.file_meta = meta
    if not any(keyword in dataset for keyword in _PIXEL_KEYWORDS):
        if b"\xe0\x7f\x10\x00" in data or b"\x7f\xe0\x00\x10" in data:
            raise EOFError("pydicom drops pixel data whose end is missing")
        storage = UID(meta.get("MediaStorageSOPClassUID") or "")
        label = (f": {storage.name}" if storage.name != str(storage) else "") + label
        raise XRayError(
            _("a DICOM file with an image in it"),
            _("a DICOM file without an image{label}", label=label),
            _("Choose the file of the X-ray itself."),
        )
    return dataset


def _check_items(data: bytes) -> None:
    """Refuses floods of sequence items and fragments, counted by their tags in both byte orders:
    of the 8 bytes of each, pydicom makes 700 bytes of objects in 20 microseconds."""
    if max(data.count(b"\xfe\xff\x00\xe0"), data.count(b"\xff\xfe\xe0\x00")) > 20_000:
        raise ValueError("more items than an image needs")


def _inflate(packed: bytes, label: str) -> bytes:
    """The data set of the deflated transfer syntax, unless it is larger than any image allowed."""
    limit = settings().max_file_bytes + 2 * settings().max_pixels
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(packed, limit + 1)
    if len(data) > limit:
        raise TooLarge(
            _("a DICOM file of at most {mb:.0f} MB when unpacked", mb=limit / 1e6),
            _("a deflated DICOM file that unpacks to more{label}", label=label),
            _("Export it at a smaller size."),
        )
    if not inflater.eof:
        raise EOFError("the deflated stream is cut short")
    return data


def _first_frame(dataset: Dataset, frames: int, label: str) -> np.ndarray:
    """Stored values (H, W), or colours (H, W, 3) of 8 or 16 bit."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax not in _READABLE:
        raise XRayError(
            _("a DICOM image that is uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000"),
            _("a DICOM image compressed in another way{label}", label=label),
            _("Export it uncompressed."),
        )
    if syntax.is_encapsulated and syntax != RLELossless:
        tables = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
        frame = get_frame(
            dataset.PixelData,
            0,
            number_of_frames=frames,
            extended_offsets=tables if all(tables) else None,
        )
        # Decoders allocate by the codestream's own header, whatever Rows and Columns say.
        if _codestream_size(frame) != (dataset.Columns, dataset.Rows, dataset.SamplesPerPixel):
            raise ValueError("the codestream is of another size than the header")
        grey = (dataset.SamplesPerPixel, dataset.PixelRepresentation) == (1, 0)
        if syntax == JPEGBaseline8Bit and grey:
            # Pillow refuses a cut JPEG, which pylibjpeg fills up, and takes a fifth of its time.
            with JpegImageFile(BytesIO(frame)) as image:
                return np.array(image)
    # One plugin: pydicom would go on to Pillow's `Image.open`, whose pixel limit is global.
    plugin = "pylibjpeg" if syntax.is_encapsulated else ""
    pixels = pixel_array(dataset, index=0, decoding_plugin=plugin)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    if pixels.ndim == 3 and pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError("colour of neither 8 nor 16 bit")
    return pixels if pixels.ndim == 2 else pixels[..., :3]


def _codestream_size(frame: bytes) -> tuple[int, int, int] | None:
    """(width, height, components) as a JPEG, JPEG-LS or JPEG 2000 codestream declares them."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)  # SOC and SIZ, ISO/IEC 15444-1 A.5.1
    if start >= 0:
        right, bottom, left, top = np.frombuffer(frame, ">u4", 4, start + 8).tolist()
        return right - left, bottom - top, int.from_bytes(frame[start + 40 : start + 42], "big")
    position = 2
    while frame[position : position + 1] == b"\xff":  # markers, ISO/IEC 10918-1 B.1.1.2
        marker = frame[position + 1]
        if marker in (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xF7):
            height, width = np.frombuffer(frame, ">u2", 2, position + 5).tolist()
            return width, height, frame[position + 9]
        length = int.from_bytes(frame[position + 2 : position + 4], "big")
        position += 1 if marker == 0xFF else 2 + length
    return None


def _grey(
    dataset: Dataset, stored: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Stored values (H, W) -> pixels (H, W) uint8 or uint16, white = dense, and their window.

    A linear window is kept beside the pixels, so that a viewer can choose another one; a VOI LUT
    or sigmoid is applied, as there is no other way to show it.
    """
    unused = _padding(dataset, stored)  # (H, W) bool
    index, levels = _levels(stored, unused)  # (H, W) uint16, (K,) float64
    mask, bins = (~unused).astype(np.uint8), len(levels)
    counts = cv2.calcHist([index], [0], mask, [bins], [0, bins]).ravel()  # (K,)
    rescaled = _rescale(dataset, levels, notes)  # (K,)
    values, window, span = _voi(dataset, rescaled, notes)
    eight_bit = stored.dtype == np.uint8 and rescaled is levels
    if span is None and eight_bit:  # as any other 8-bit file, so that both give the same pixels
        span = (0.0, 2.0 ** int(dataset.get("BitsStored") or 8) - 1)
    used = values[counts > 0] if counts.any() else values
    low, high = span or (float(used.min()), float(used.max()))
    exact = high - low <= _FULL and bool((values == np.rint(values)).all())
    scale = 1.0 if exact or high <= low else _FULL / (high - low)
    top = float(np.rint((high - low) * scale))
    table = np.rint(np.clip((values - low) * scale, 0, top))  # (K,)
    if window is not None:
        window = ((window[0] - low) * scale, (window[1] - low) * scale)
        if window[1] <= 0 or window[0] >= max(top, 1.0):
            notes.append(NO_WINDOW)
            window = None
    if window is None:
        window = (0.0, max(top, 1.0)) if span else _automatic_window(table, counts, top)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        table, window = top - table, (top - window[1], top - window[0])
    shade = table.astype(np.uint8 if eight_bit and top <= 255 else np.uint16)
    pixels = np.take(shade, index)  # (H, W)
    pixels[unused] = 0
    return pixels, window


def _padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """(H, W) bool: no part of the image, by PixelPaddingValue (PS3.3 C.7.5.1.1.2), NaN or inf."""
    if stored.dtype.kind == "f":
        return ~np.isfinite(stored)
    ends = [dataset.get(f"PixelPadding{part}") for part in ("Value", "RangeLimit")]
    # Both may be written signed where the pixels are unsigned, or the other way round.
    known = np.array([end for end in ends if isinstance(end, int)], np.int64).astype(stored.dtype)
    if len(known) == 0:
        return np.zeros(stored.shape, bool)
    unused = (stored >= known.min()) & (stored <= known.max())
    return np.zeros(stored.shape, bool) if unused.all() else unused


def _levels(stored: np.ndarray, unused: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(index (H, W) uint16, levels (K,) float64): `levels[index]` is `stored` within its range.

    Integers that span at most 16 bits are kept exactly; others are rounded to 65536 levels.
    """
    used = stored[~unused] if unused.any() else stored
    if used.size == 0:
        return np.zeros(stored.shape, np.uint16), np.zeros(1)
    low, high = (0, 255) if stored.dtype == np.uint8 else (used.min(), used.max())
    if stored.dtype.kind in "iu" and int(high) - int(low) <= _FULL:
        wide = np.int32 if stored.itemsize <= 2 else np.int64
        index = (np.clip(stored, low, high).astype(wide) - int(low)).astype(np.uint16)
        return index, np.arange(int(low), int(high) + 1, dtype=np.float64)
    low, high = (min(max(float(end), -_HUGE), _HUGE) for end in (low, high))
    values = np.nan_to_num(stored.astype(np.float64), nan=low)
    unit = np.clip((values - low) / max(high - low, 1 / _HUGE), 0, 1)
    return np.rint(unit * _FULL).astype(np.uint16), np.linspace(low, high, _FULL + 1)


def _rescale(dataset: Dataset, levels: np.ndarray, notes: list[str]) -> np.ndarray:
    """Modality LUT or rescale (PS3.3 C.11.1) of `levels` (K,); `levels` itself if there is none."""
    if dataset.get("ModalityLUTSequence"):
        return _look_up(dataset, dataset.ModalityLUTSequence[0], levels)[0]
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    if _text(dataset, "RescaleSlope") and (slope in (None, 0) or abs(slope or 0) > _HUGE):
        notes.append(NO_SLOPE)
        return levels
    if slope in (None, 1.0) and not intercept:
        return levels
    return np.clip(levels * (slope or 1.0), -_HUGE, _HUGE) + np.clip(intercept or 0, -_HUGE, _HUGE)


def _voi(
    dataset: Dataset, values: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, tuple[float, float] | None, tuple[float, float] | None]:
    """(values (K,), linear window, span of the curve that was applied) by PS3.3 C.11.2."""
    if dataset.get("VOILUTSequence"):
        try:
            values, span = _look_up(dataset, dataset.VOILUTSequence[0], values)
            return values, None, span
        except (ValueError, TypeError, AttributeError):
            notes.append(NO_LUT)
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    if centre is None or width is None or width <= 0 or max(abs(centre), width) > _HUGE:
        return values, None, None
    function = _text(dataset, "VOILUTFunction")
    if function == "SIGMOID":  # C.11.2.1.3.1
        curve = _FULL / (1 + np.exp(np.clip(-4 * (values - centre) / width, -100, 100)))
        return np.rint(curve), None, (0.0, float(_FULL))
    if function == "LINEAR_EXACT":  # C.11.2.1.3.2
        return values, (centre - width / 2, centre + width / 2), None
    low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2  # C.11.2.1.2
    return values, (low, high) if high > low else None, None


def _look_up(
    dataset: Dataset, item: Dataset, values: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """`values` (K,) through the LUT of a sequence item (PS3.3 C.11.1.1), and its span.

    Not pydicom's `apply_voi`: its index has the type of the entries, which wraps at 256 in 8 bit.
    """
    descriptor, data = item.get_item("LUTDescriptor"), item.get_item("LUTData")
    order = ">" if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
    entries, first, _bits = np.frombuffer(descriptor.value, order + "u2", 3).tolist()
    signed = dataset.get("PixelRepresentation") if descriptor.VR is None else descriptor.VR == "SS"
    entries, first = entries or 65536, first - 65536 if signed and first > 32767 else first
    table = np.frombuffer(data.value, order + "u2" if len(data.value) >= 2 * entries else "u1")
    if len(table) < entries:
        raise ValueError("the LUT is shorter than it says")
    index = np.clip(np.rint(values) - first, 0, entries - 1).astype(np.int64)
    return table[index].astype(np.float64), (float(table.min()), float(table.max()))


def _automatic_window(table: np.ndarray, counts: np.ndarray, top: float) -> tuple[float, float]:
    """0.5th to 99.5th percentile of the pixels, of which `counts` (K,) have the value `table`."""
    order = np.argsort(table, kind="stable")
    share = np.cumsum(counts[order], dtype=np.float64)
    ends = np.searchsorted(share, np.array([0.005, 0.995]) * share[-1])
    low, high = (float(table[order[min(end, len(order) - 1)]]) for end in ends)
    return (low, high) if high > low else (0.0, max(top, 1.0))


def _facts(
    dataset: Dataset,
) -> tuple[str | None, str | None, float | None, tuple[float, float] | None]:
    """(modality, view, age in years, pixel spacing in mm): all that is told besides the pixels."""
    modality: str | None = _text(dataset, "Modality")
    if not re.fullmatch("[A-Z]{2}", modality or ""):
        modality = None
    view: str | None = _text(dataset, "ViewPosition").upper()
    age = re.fullmatch(r"(\d{1,3})([YMWD])", _text(dataset, "PatientAge"))
    years = int(age[1]) * _AGE_UNITS[age[2]] if age else None
    if years is not None and years > 89:
        years = 90.0  # HIPAA, 45 CFR 164.514(b)(2)(i)(C)
    spacing = None
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        down, across = _number(dataset, keyword), _number(dataset, keyword, 1)
        if down and across and min(down, across) > 0.001 and max(down, across) < 10:
            spacing = spacing or (down, across)
    return modality, view if view in _VIEWS else None, years, spacing


def _text(dataset: Dataset, keyword: str, position: int = 0) -> str:
    """One value of a text element, "" if there is none.

    Read raw: pydicom would check the value and put a bad one into a warning and the log.
    """
    raw = getattr(dataset.get_item(keyword), "value", None)
    parts = str(raw or b"", "ascii", "replace").split("\\") if isinstance(raw, bytes) else []
    return parts[position].strip(" \0") if len(parts) > position else ""


def _number(dataset: Dataset, keyword: str, position: int = 0) -> float | None:
    """One value of a DS or IS element, None if there is none or it is no finite number."""
    try:
        number = float(_text(dataset, keyword, position))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
