"""DICOM: stored grey values -> pixels, white = dense, and the window they are shown through.

In the order of the standard: rescale (or modality LUT), VOI window (or VOI LUT), inversion of
MONOCHROME1 (DICOM PS3.3 C.11, PS3.4 N.2). All of it is worked out on the at most 65536 levels that
occur, not on the pixels.
"""

from itertools import takewhile

import cv2
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from model.dicom_elements import number, text
from model.language import N_

_FULL = 65535
_HUGE = 1e100  # beyond it float64 overflows in the sums below
NO_WINDOW = N_("The window in the file shows none of its values; it was not used.")
NO_SLOPE = N_("The rescale slope in the file is unusable; it was ignored.")
NO_LUT = N_("The VOI LUT in the file is unusable; it was ignored.")


def grey_of(
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
    # Both may be written signed where the pixels are unsigned, or the other way round. What has no
    # room in a pixel is none of them: 63536 is not the 48 that its last 8 bits are.
    bits = 8 * stored.itemsize
    fitting = takewhile(
        lambda end: isinstance(end, int) and -(2 ** (bits - 1)) <= end < 2**bits, ends
    )
    known = np.array(list(fitting), np.int64).astype(stored.dtype)
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
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if text(dataset, "RescaleSlope") and (slope in (None, 0) or abs(slope or 0) > _HUGE):
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
    centre, width = number(dataset, "WindowCenter"), number(dataset, "WindowWidth")
    if centre is None or width is None or width <= 0 or max(abs(centre), width) > _HUGE:
        return values, None, None
    function = text(dataset, "VOILUTFunction")
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
