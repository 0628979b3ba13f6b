"""Image files of every kind, built from arrays: nothing is read from disk."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"


def film(height: int = 48, width: int = 40, top: int = 255, dtype: Any = np.uint8) -> np.ndarray:
    """(H, W) smooth, without symmetry, from 0 to `top`: every corner has another value."""
    rows, columns = np.mgrid[0:height, 0:width]
    values = rows / height + 0.5 * columns / width + 0.2 * np.sin(rows / 5) * np.cos(columns / 7)
    values = (values - values.min()) / max(np.ptp(values), 1e-9)
    return np.rint(values * top).astype(dtype)


def encode(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """An image file by Pillow."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(values: np.ndarray, colour_type: int, *extra: bytes) -> bytes:
    """PNG of (H, W, C) uint8 or uint16 without Pillow, which cannot write all of them.

    extra: whole chunks that go before the picture.
    """
    height, width = values.shape[:2]
    bits = 8 * values.itemsize
    lines = values.astype(values.dtype.newbyteorder(">")).reshape(height, -1)
    packed = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *extra,
            png_chunk(b"IDAT", packed),
            png_chunk(b"IEND", b""),
        ]
    )


def dataset(stored: np.ndarray, **elements: Any) -> Dataset:
    """A DICOM X-ray of (H, W), or (H, W, 3), uncompressed; `elements` replace or add to it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CR_STORAGE
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = Dataset()
    file.file_meta = meta
    file.SOPClassUID = CR_STORAGE
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.Rows, file.Columns = stored.shape[:2]
    file.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    file.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        file.PlanarConfiguration = 0
    if stored.dtype.kind == "f":
        file.BitsAllocated = 32
        file.FloatPixelData = stored.astype("<f4").tobytes()
    else:
        file.BitsAllocated = file.BitsStored = 8 * stored.itemsize
        file.HighBit = file.BitsStored - 1
        file.PixelRepresentation = int(stored.dtype.kind == "i")
        body = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
        file.PixelData = body + b"\0" * (len(body) % 2)
        file["PixelData"].VR = "OW" if stored.itemsize > 1 else "OB"
    for keyword, value in elements.items():
        setattr(file, keyword, value)
    return file


def save(file: Dataset, syntax: str = "", **options: Any) -> bytes:
    """The bytes of a DICOM file. syntax: another native transfer syntax."""
    if syntax:
        file.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    file.save_as(stream, enforce_file_format=True, **options)
    return stream.getvalue()


def dicom(stored: np.ndarray, **elements: Any) -> bytes:
    return save(dataset(stored, **elements))


def encapsulated(file: Dataset, frame: bytes, syntax: str) -> bytes:
    """A DICOM file whose pixels are the codestream `frame`."""
    file.PixelData = encapsulate([frame])
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
    return save(file, syntax)


def lossless_jpeg(values: np.ndarray, bits: int) -> bytes:
    """(H, W) -> JPEG lossless, process 14, first-order prediction (ISO/IEC 10918-1, annex H)."""
    height, width = values.shape
    signed = values.astype(int)
    predicted = np.empty_like(signed)
    predicted[:, 1:] = signed[:, :-1]
    predicted[1:, 0] = signed[:-1, 0]
    predicted[0, 0] = 1 << (bits - 1)
    digits = []
    for difference in (signed - predicted).ravel().tolist():
        size = abs(difference).bit_length()
        digits.append(f"{size:05b}")  # every category has a code of 5 bits: its own number
        if size:
            digits.append(
                f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}"
            )
    code = "".join(digits)
    code += "1" * (-len(code) % 8)
    scan = int(code, 2).to_bytes(len(code) // 8, "big").replace(b"\xff", b"\xff\0")
    lengths = bytes([0, 0, 0, 0, 17] + [0] * 11)
    return b"".join(
        [
            b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB3B", 11, bits, height, width, 1, 1, 0x11, 0),
            b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 17, 0) + lengths + bytes(range(17)),
            b"\xff\xda" + struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0),
            scan,
            b"\xff\xd9",
        ]
    )
