"""Draw the synthetic chest X-rays that the app offers: `python assets/samples/make.py [FOLDER]`.

`phantom.py` gives the attenuation of each ray; here follow the detector, the processing of the film
and the files: JPEG, one DICOM, and `samples.json`, which says what is where. Nothing is random but
by a fixed seed, so the same files come out each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from geometry import Array, noise
from phantom import Child, Opacity, attenuation
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)


@dataclass(frozen=True)
class Film:
    """One sample: the child, and how the film was exposed and processed."""

    file: str
    title: str
    child: Child
    middle: float = 1.55  # attenuation shown as middle grey
    latitude: float = 0.45  # attenuation over which grey rises: less is harder
    blur_px: float = 0.7
    lift: float = 0.35  # how much the processing lifts what is small against what is large
    marker: tuple[float, float] = (0.03, 0.1)  # lead letter R: fractions of width and height


# The opacities are moderate and lie in a light haze, as on real films: ribs and vessels still show.
# A solid white lobe has no texture, and the network says little of it.
UPPER = Opacity(
    ((-4.6, -2.3, 0, 3.3, 2.4, 6.0),), density=0.65, fissure_cm=0.6, haze=(0.25, 0.15), cuffing=1.2
)
PATCHY = Opacity(
    ((-3.0, 0.6, -0.5, 2.0, 2.4, 4.2),), density=0.45, patches=64, haze=(0.2, 0.2), cuffing=1.0
)
VIRAL = Opacity(((5.6, 3.3, -0.5, 2.4, 2.0, 5.0),), density=0.6, ragged_cm=1.0, haze=(0.165, 0.2))
LOWER = Opacity(((5.2, 2.4, -1, 2.9, 3.0, 5.0),), density=0.6, haze=(0.14, 0.2), cuffing=0.6)

FILMS = (
    Film("normal-1.jpg", "Normal chest", Child(11, chin_cm=-6.9)),
    Film(
        "normal-2.jpg",
        "Normal chest, slightly turned",
        Child(12, (900, 700), 20.6, 0.98, (0.0, -0.3), 2.0, 3.0, 0.2, 1.02, 0.0, (65, 70), -7.8),
    ),
    Film(
        "normal-3.jpg",
        "Normal chest, deep breath",
        Child(13, (880, 740), 21.6, 1.06, (0.1, -0.4), -1.5, -2.0, -0.2, 0.95, 0.3, (15, 25)),
    ),
    Film(
        "pneumonia-1.jpg",
        "Lobar pneumonia, right upper lobe",
        Child(21, (940, 680), 22.4, 1.02, (0.3, 0), -4, 2.0, 0.3, 1.05, 0, (50, 40), -8.3, UPPER),
        middle=1.32,
        latitude=0.42,
        blur_px=2.05,
        lift=0,
    ),
    Film(
        "pneumonia-2.jpg",
        "Bronchopneumonia, mostly right",
        Child(22, (920, 680), 22, 1.04, (-0.2, 0), 3, -2, 0.0, 1.0, 0, (20, 15), -8.4, PATCHY),
        middle=1.4,
        latitude=0.45,
        blur_px=2.2,
        lift=0,
    ),
    Film(
        "pneumonia-3.jpg",
        "Viral pneumonia, mostly left",
        Child(23, (920, 660), 23.2, 1, (0.6, 0.3), 2, 1, 0.1, 1.08, -0.2, (70, 60), -8.4, VIRAL),
        middle=1.25,
        latitude=0.4,
        blur_px=2.0,
        lift=0.05,
    ),
    Film(
        "pneumonia-4.dcm",
        "Lobar pneumonia, left lower lobe (DICOM)",
        Child(24, (900, 680), 22.2, 1.04, (0.3, -0.2), 4, 2, 0, 1.05, chin_cm=-8.0, opacity=LOWER),
        middle=1.4,
        latitude=0.43,
        blur_px=2.4,
        lift=0,
    ),
)


def expose(film: Film, rays: Array) -> Array:
    """Attenuation -> grey of the film, 0..1, white where little gets through: (H, W)."""
    px_per_cm = film.child.view.px_per_cm
    rng = np.random.default_rng(film.child.seed + 1000)
    rays = cv2.GaussianBlur(rays, (0, 0), film.blur_px)
    rays = rays + film.lift * (rays - cv2.GaussianBlur(rays, (0, 0), 1.5 * px_per_cm))
    # Quanta: the fewer arrive, the larger the relative noise of their number.
    rays += 0.015 * np.exp(rays / 2) * cv2.GaussianBlur(noise(rays.shape, 1, rng), (0, 0), 0.7)
    grey = 0.95 / (1 + np.exp(-(rays - film.middle) / film.latitude)) - 0.03
    letter = np.zeros(rays.shape, np.uint8)
    at = tuple(int(f * n) for f, n in zip(film.marker, film.child.size_px, strict=True))
    cv2.putText(letter, "R", at, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3, cv2.LINE_AA)
    return np.clip(np.maximum(grey, letter / 275), 0, 1)


def write_dicom(path: Path, grey: Array, pixel_cm: float) -> None:
    """A CR image of 12 bit, MONOCHROME1 as plates are read: large values are dark."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    uids = [generate_uid(entropy_srcs=[path.name, str(i)]) for i in range(3)]
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = uids[0], ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["Pneumoscope"])
    tags = {
        "SOPClassUID": ComputedRadiographyImageStorage, "SOPInstanceUID": uids[0],
        "StudyInstanceUID": uids[1], "SeriesInstanceUID": uids[2], "Modality": "CR",
        "PatientName": "SYNTHETIC^SAMPLE", "PatientID": "SYNTHETIC", "PatientAge": "004Y",
        "PatientBirthDate": "", "PatientSex": "", "StudyDate": "", "StudyTime": "", "StudyID": "",
        "AccessionNumber": "", "ReferringPhysicianName": "", "Manufacturer": "",
        "SeriesNumber": 1, "InstanceNumber": 1, "BodyPartExamined": "CHEST", "ViewPosition": "AP",
        "PatientOrientation": ["L", "F"], "ImageType": ["DERIVED", "PRIMARY"],
        "DerivationDescription": "Synthetic: drawn by assets/samples/make.py, no patient",
        "BurnedInAnnotation": "NO", "ImagerPixelSpacing": [round(10 * pixel_cm, 4)] * 2,
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME1",
        "Rows": grey.shape[0], "Columns": grey.shape[1], "BitsAllocated": 16, "BitsStored": 12,
        "HighBit": 11, "PixelRepresentation": 0, "RescaleIntercept": 0, "RescaleSlope": 1,
        "RescaleType": "US", "WindowCenter": 2195, "WindowWidth": 3200,
    }  # fmt: skip
    image = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    for tag, value in tags.items():
        setattr(image, tag, value)
    # The window shows 595..3795, so that a reader that ignores it shows a flat film.
    stored = np.round(3795 - 3200 * grey).astype("<u2")
    image.PixelData = stored.tobytes()
    image.compress(RLELossless, generate_instance_uid=False)
    image.save_as(path, enforce_file_format=True)


def place(dense: Array) -> dict[str, float | str | None]:
    """Centre of mass of the opacity in fractions of width and height, and the half it lies in."""
    weight = np.maximum(dense, 0)
    if not weight.any():
        return {"x": None, "y": None, "side": None}
    y, x = (np.arange(n) + 0.5 for n in dense.shape)
    cx = float((weight.sum(0) @ x) / weight.sum() / dense.shape[1])
    cy = float((weight.sum(1) @ y) / weight.sum() / dense.shape[0])
    return {"x": round(cx, 3), "y": round(cy, 3), "side": "left" if cx < 0.5 else "right"}


def make(film: Film, folder: Path) -> dict[str, object]:
    """Write one film; returns its entry in samples.json."""
    rays, dense = attenuation(film.child)
    grey, path = expose(film, rays), folder / film.file
    if path.suffix == ".dcm":
        write_dicom(path, grey, 1 / film.child.view.px_per_cm)
    else:
        pixels = np.round(255 * grey).astype(np.uint8)
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    label = "pneumonia" if film.child.opacity else "normal"
    entry = {"file": film.file, "label": label, "where": place(dense), "title": film.title}
    return {**entry, "synthetic": True}


def main(folder: Path, films: Iterable[Film] = FILMS) -> None:
    """Write all films and samples.json into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        entries = list(pool.map(lambda film: make(film, folder), films))
    (folder / "samples.json").write_text(json.dumps(entries, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
