"""DICOM: bytes -> the first frame as grey or colour pixels, and an allow-list of plain facts.

Only the elements in `_KEYWORDS` are ever read from the file, so that no other element, above all
none that names the patient, can reach a picture, a message or a log.
"""

import re
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import BaseTag, Tag
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
from model.dicom_elements import number, text
from model.dicom_grey import grey_of
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
# Notes; "First of 12 frames." has its pattern in `model.phrases`.
RAW = N_("Raw detector image, marked as not for presentation.")
BURNED_IN = N_("The file says that text is burned into the picture; it may name the patient.")


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
    frames = max(1, int(number(dataset, "NumberOfFrames") or 1))
    photometric = text(dataset, "PhotometricInterpretation")
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
    if text(dataset, "PresentationIntentType") == "FOR PROCESSING":
        notes.append(RAW)
    if text(dataset, "BurnedInAnnotation") == "YES":
        notes.append(BURNED_IN)
    stored = _first_frame(dataset, frames, label)
    window = None
    if stored.ndim == 2:
        stored, window = grey_of(dataset, stored, notes)
    return DicomImage(stored, window, tuple(notes), *_facts(dataset))


def _parse(data: bytes, label: str) -> Dataset:
    """The elements of `_KEYWORDS`, with the transfer syntax in `file_meta`."""
    dataset, data = read_elements(data, label, _TAGS)
    if not any(keyword in dataset for keyword in _PIXEL_KEYWORDS):
        if b"\xe0\x7f\x10\x00" in data or b"\x7f\xe0\x00\x10" in data:
            raise EOFError("pydicom drops pixel data whose end is missing")
        storage = UID(dataset.file_meta.get("MediaStorageSOPClassUID") or "")
        label = (f": {storage.name}" if storage.name != str(storage) else "") + label
        raise XRayError(
            _("a DICOM file with an image in it"),
            _("a DICOM file without an image{label}", label=label),
            _("Choose the file of the X-ray itself."),
        )
    return dataset


def read_elements(
    data: bytes,
    label: str,
    tags: list[Any],
    stop_when: Callable[[BaseTag, str | None, int], bool] | None = None,
) -> tuple[Dataset, bytes]:
    """These elements, undecoded, with the transfer syntax in `file_meta`; the bytes, inflated.

    stop_when: of tag, value representation and length, as in pydicom; nothing is read from there
    on. Not `dcmread`: it inflates a deflated file without a bound, and gives up at file meta
    information that is damaged where nobody looks. Raises as `read_dicom`.
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
        stop_when=stop_when,
        specific_tags=tags,
    )
    dataset.file_meta = meta
    return dataset, data


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


def _facts(
    dataset: Dataset,
) -> tuple[str | None, str | None, float | None, tuple[float, float] | None]:
    """(modality, view, age in years, pixel spacing in mm): all that is told besides the pixels."""
    modality: str | None = text(dataset, "Modality")
    if not re.fullmatch("[A-Z]{2}", modality or ""):
        modality = None
    view: str | None = text(dataset, "ViewPosition").upper()
    age = re.fullmatch(r"(\d{1,3})([YMWD])", text(dataset, "PatientAge"))
    years = int(age[1]) * _AGE_UNITS[age[2]] if age else None
    if years is not None and years > 89:
        years = 90.0  # HIPAA, 45 CFR 164.514(b)(2)(i)(C)
    spacing = None
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        down, across = number(dataset, keyword), number(dataset, keyword, 1)
        if down and across and min(down, across) > 0.001 and max(down, across) < 10:
            spacing = spacing or (down, across)
    return modality, view if view in _VIEWS else None, years, spacing
