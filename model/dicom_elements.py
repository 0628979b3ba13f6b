"""DICOM: one value of an element, read raw."""

import math

from pydicom.dataset import Dataset


def text(dataset: Dataset, keyword: str, position: int = 0) -> str:
    """One value of a text element, "" if there is none.

    Read raw: pydicom would check the value and put a bad one into a warning and the log.
    """
    raw = getattr(dataset.get_item(keyword), "value", None)
    parts = str(raw or b"", "ascii", "replace").split("\\") if isinstance(raw, bytes) else []
    return parts[position].strip(" \0") if len(parts) > position else ""


def number(dataset: Dataset, keyword: str, position: int = 0) -> float | None:
    """One value of a DS or IS element, None if there is none or it is no finite number."""
    try:
        value = float(text(dataset, keyword, position))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
