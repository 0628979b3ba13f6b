"""The X-ray viewer: a film and its heatmap on a canvas, worked entirely in the browser.

A Streamlit component (v2). Zoom, pan, window, inversion, overlay, colour map and layout live in
`viewer.js` and cause no script run. Python packs the film once and sends one block of bytes:

    uint32 length of the header | header, JSON | film | heatmap, float32 | colour maps, 256 RGB each

The film travels as row differences in a zlib stream, which a browser inflates by itself. It is not
a PNG on purpose: a page can read a PNG's values only by way of a canvas, where some browsers add
noise against fingerprinting, and noise in the high byte of a 16-bit film would be visible.
"""

import hashlib
import json
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

MAX_PIXELS = 4_000_000  # more than a screen shows; hospital PCs are slow
COLORMAPS = {
    "inferno": cv2.COLORMAP_INFERNO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "jet": cv2.COLORMAP_JET,  # last: familiar, but its bands suggest edges that are not there
}
NO_EVIDENCE = "No positive evidence: no region spoke for pneumonia, so there is no heatmap to show."

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "pneumoscope_viewer",
    html=(_HERE / "viewer.html").read_text(encoding="utf-8"),
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    js=(_HERE / "viewer.js").read_text(encoding="utf-8"),
)


def viewer(
    film: np.ndarray,
    window: tuple[float, float],
    heatmap: np.ndarray | None,
    *,
    key: str,
    height_px: int = 640,
    film_id: str,
    note: str = "",
    empty: str = NO_EVIDENCE,
) -> None:
    """Show a chest X-ray with its heatmap.

    film: (H, W) uint8 or uint16, high values white. Over 4 megapixels it is shown smaller, by area
        means, and the viewer says so; positions are still given in pixels of the film.
    window: (low, high) in film units: what is black and what is white at first.
    heatmap: (h, w) float, 0..1, any resolution, stretched over the whole film. None, or a map
        without a positive value, is shown as the words `empty`, never stretched.
    key: identity of the viewer. What the reader set is kept per key, across reruns and pages.
    height_px: height of the film area on a wide screen; narrow screens get less.
    film_id: identity of the film, best a hash of the file. When it changes, zoom, window and
        inversion start afresh; overlay, opacity, colour map and layout are the reader's and stay.
    note: shown in a corner of the film, such as "synthetic".
    empty: the words shown when there is no heat, why there is none.

    Raises TypeError or ValueError if film, window or heatmap are not of this form.
    """
    _component(key=key, data=pack(film, window, heatmap, key, height_px, film_id, note, empty))


def pack(
    film: np.ndarray,
    window: tuple[float, float],
    heatmap: np.ndarray | None,
    key: str = "",
    height_px: int = 640,
    film_id: str = "",
    note: str = "",
    empty: str = NO_EVIDENCE,
) -> bytes:
    """The bytes for `viewer.js`; arguments as in `viewer`."""
    _check_film(film)
    low, high = map(float, window)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"Expected a window (low, high) with low < high. Received: {window}.")
    heat = _positive_evidence(heatmap)
    fingerprint = _fingerprint(film)
    shown, packed_film = _packed_film(film_id, fingerprint, film)
    heat_bytes = b"" if heat is None else heat.astype("<f4").tobytes()
    parts = (packed_film, heat_bytes, _colormap_table())
    header: dict[str, Any] = {
        "key": key,
        "film_id": film_id,
        "revision": f"{film_id}/{fingerprint}",
        "size": film.shape[::-1],  # width, height of the film itself
        "shown": shown,  # width, height of what is sent
        "bits": film.dtype.itemsize * 8,
        "window": (low, high),
        "heat_size": None if heat is None else heat.shape[::-1],
        "heat_revision": zlib.crc32(heat_bytes),
        "colormaps": list(COLORMAPS),
        "height_px": height_px,
        "note": note,
        "empty": empty,
        "parts": [len(part) for part in parts],
    }
    text = json.dumps(header).encode()
    return b"".join((struct.pack("<I", len(text)), text, *parts))


def _check_film(film: np.ndarray) -> None:
    if film.ndim != 2 or not film.size:
        raise ValueError(f"Expected a film of shape (H, W). Received: shape {film.shape}.")
    if film.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"Expected a film of uint8 or uint16. Received: {film.dtype}.")


def _positive_evidence(heatmap: np.ndarray | None) -> np.ndarray | None:
    """The heatmap, (h, w) float32 in 0..1, or None if it holds nothing above zero."""
    if heatmap is None:
        return None
    if heatmap.ndim != 2:
        raise ValueError(f"Expected a heatmap of shape (h, w). Received: shape {heatmap.shape}.")
    heat = np.clip(np.nan_to_num(heatmap.astype(np.float32)), 0.0, 1.0)  # (h, w)
    return heat if heat.any() else None


def _fingerprint(film: np.ndarray) -> str:
    """Hash of a coarse grid of the film.

    The cache below serves every session. A caller's film_id that is not unique must never bring
    up another child's film, so the content is part of the key.
    """
    step = max(1, int((film.size / 65_536) ** 0.5))
    grid = np.ascontiguousarray(film[::step, ::step])
    return hashlib.blake2b(grid.tobytes() + repr(film.shape).encode(), digest_size=12).hexdigest()


@st.cache_resource(max_entries=16, show_spinner=False)  # bytes do not change: no copy is needed
def _packed_film(
    film_id: str, fingerprint: str, _film: np.ndarray
) -> tuple[tuple[int, int], bytes]:
    """(width, height) of what is sent and its bytes: 1500 x 1200 at 8 bits in about 20 ms."""
    film = shrink(_film)
    rows = film.copy()
    rows[1:] -= film[:-1]  # modulo 2**bits; viewer.js adds the rows up again
    if rows.dtype == np.uint16:  # all low bytes, then all high bytes, which hold long runs
        rows = np.stack([(rows & 0xFF).astype(np.uint8), (rows >> 8).astype(np.uint8)])
    # Run lengths only: differences of a noisy film hold no repeats worth the search.
    deflate = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    packed = deflate.compress(rows.tobytes()) + deflate.flush()
    return film.shape[::-1], packed


def shrink(film: np.ndarray) -> np.ndarray:
    """The film, or its area means if it has more than `MAX_PIXELS`; same dtype, same aspect."""
    if film.size <= MAX_PIXELS:
        return film
    height, width = film.shape
    factor = (MAX_PIXELS / film.size) ** 0.5
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    return cv2.resize(film, size, interpolation=cv2.INTER_AREA)


@cache
def _colormap_table() -> bytes:
    """The colour maps in the order of `COLORMAPS`, 256 RGB triples each."""
    ramp = np.arange(256, dtype=np.uint8)[None]  # (1, 256)
    tables = [cv2.applyColorMap(ramp, number)[0, :, ::-1] for number in COLORMAPS.values()]
    return np.stack(tables).tobytes()  # (maps, 256, 3)
