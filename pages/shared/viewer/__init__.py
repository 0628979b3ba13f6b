"""The X-ray viewer: a film and its heatmaps on a canvas, worked entirely in the browser.

A Streamlit component (v2). Zoom, pan, window, inversion, overlay, outline of the lungs, colour map
and layout live in `viewer.js` and cause no script run; only a region that the reader has drawn
does. Python packs the film once and sends one block of bytes:

    uint32 length of the header | header, JSON | film | colour maps, 256 RGB each | heatmaps

Film and heatmaps travel as row differences in a zlib stream, which a browser inflates by itself.
It is not a PNG on purpose: a page can read a PNG's values only by way of a canvas, where some
browsers add noise against fingerprinting, and noise in the high byte of a 16-bit film would be
visible.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from model.language import N_, _
from pages.shared.viewer.texts import texts

MAX_PIXELS = 4_000_000  # more than a screen shows; hospital PCs are slow
COLORMAPS = {
    "inferno": cv2.COLORMAP_INFERNO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "jet": cv2.COLORMAP_JET,  # last: familiar, but its bands suggest edges that are not there
}
NO_EVIDENCE = N_(
    "No positive evidence: no region spoke for pneumonia, so there is no heatmap to show."
)
_AUTO = (0.005, 0.995)  # shares of the film's pixels below its window Auto, and in or below it
_HEAT_PX = 512  # long side of the interpolated heatmap: smoother than the eye resolves
_FINER = 4  # pixels a pixel of the mask, to smooth its outline

Drawn = Mapping[str, Any]  # {"kind": "box" or "outline", "points": [[x, y], ...]}, 0..1 of the film

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
    heatmaps: Mapping[str, np.ndarray],
    *,
    key: str,
    height_px: int = 640,
    film_id: str,
    lungs: np.ndarray | None = None,
    note: str = "",
    empty: str = NO_EVIDENCE,
    drawing: str = "",
    regions: Sequence[Drawn] = (),
) -> list[Any] | None:
    """Show a chest X-ray with its heatmaps.

    film: (H, W) uint8 or uint16, high values white. Over 4 megapixels it is shown smaller, by area
        means, and the viewer says so; positions are still given in pixels of the film.
    window: (low, high) in film units: what is black and what is white at first.
    heatmaps: by name, each (h, w) float, 0..1, any resolution, stretched over the whole film. The
        first is shown; among several the reader may switch. Where there is none, or one without a
        positive value, the words `empty` stand instead: it is never stretched.
    key: identity of the viewer. What the reader set is kept per key, across reruns and pages.
    height_px: height of the film area on a wide screen; narrow screens get less.
    film_id: identity of the film, best a hash of the file. When it changes, zoom, window and
        inversion start afresh; overlay, opacity, colour map and layout are the reader's and stay.
    lungs: (h, w) bool over the whole film; the reader may have their outline drawn.
    note: shown in a corner of the film, such as "synthetic".
    empty: the words shown when there is no heat, why there is none; marked with `N_`.
    drawing: identity of what the reader draws; "" offers no drawing. When it changes, it starts
        with `regions`; these have to stay the same as long as it does.

    Returns the regions once the reader has drawn or removed one, as the browser says them: not
    checked. None before.

    Raises TypeError or ValueError if film, window, a heatmap or lungs are not of this form.
    """
    packed = pack(
        film, window, heatmaps, key, height_px, film_id, lungs, note, empty, drawing, regions
    )
    said = _component(key=key, data=packed, on_drawn_change=lambda: None).drawn
    # What was drawn on the film before stays the component's value until something new is drawn.
    mine = drawing and isinstance(said, Mapping) and said.get("drawing") == drawing
    return said.get("regions") if mine else None


def pack(
    film: np.ndarray,
    window: tuple[float, float],
    heatmaps: Mapping[str, np.ndarray],
    key: str = "",
    height_px: int = 640,
    film_id: str = "",
    lungs: np.ndarray | None = None,
    note: str = "",
    empty: str = NO_EVIDENCE,
    drawing: str = "",
    regions: Sequence[Drawn] = (),
) -> bytes:
    """The bytes for `viewer.js`; arguments as in `viewer`."""
    _check_film(film)
    low, high = map(float, window)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"Expected a window (low, high) with low < high. Received: {window}.")
    fingerprint = _fingerprint(film)
    shown, auto, packed_film = _packed_film(film_id, fingerprint, film)
    heats = {name: _heat_levels(heatmap, film.shape) for name, heatmap in heatmaps.items()}
    packed_heats = [_pack_levels(levels) for levels in heats.values()]
    parts = (packed_film, _colormap_table(), *packed_heats)
    header: dict[str, Any] = {
        "key": key,
        "film_id": film_id,
        "revision": f"{film_id}/{fingerprint}",
        "size": film.shape[::-1],  # width, height of the film itself
        "shown": shown,  # width, height of what is sent
        "bits": film.dtype.itemsize * 8,
        "window": (low, high),
        "auto": auto,
        "heats": [{"name": name, "size": levels.shape[::-1]} for name, levels in heats.items()],
        "heat_revision": zlib.crc32(b"".join(packed_heats)),
        "lungs": "" if lungs is None else outline(lungs, film.shape),
        "colormaps": list(COLORMAPS),
        "height_px": height_px,
        "note": note,
        "empty": _(empty) if empty else "",
        "texts": texts(),
        "drawing": drawing,
        "regions": list(regions),
        "parts": [len(part) for part in parts],
    }
    text = json.dumps(header).encode()
    return b"".join((struct.pack("<I", len(text)), text, *parts))


def _check_film(film: np.ndarray) -> None:
    if film.ndim != 2 or not film.size:
        raise ValueError(f"Expected a film of shape (H, W). Received: shape {film.shape}.")
    if film.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"Expected a film of uint8 or uint16. Received: {film.dtype}.")


def _heat_levels(heatmap: np.ndarray, film_shape: tuple[int, ...]) -> np.ndarray:
    """A heatmap (h, w) -> (H, W) uint8 in the shape of the film; (0, 0) if none is above zero.

    Values are interpolated, not colours: mixed colours would be ones that the scale does not have.
    """
    if heatmap.ndim != 2:
        raise ValueError(f"Expected a heatmap of shape (h, w). Received: shape {heatmap.shape}.")
    heat = np.clip(np.nan_to_num(heatmap.astype(np.float32)), 0.0, 1.0)  # (h, w)
    if not heat.any():
        return np.empty((0, 0), np.uint8)
    height, width = (max(1, round(side * _HEAT_PX / max(film_shape))) for side in film_shape)
    levels = 255 * cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)  # (H, W)
    return np.round(levels).astype(np.uint8)


def outline(mask: np.ndarray, film_shape: tuple[int, ...]) -> str:
    """The edges of a mask (h, w) bool over the whole film as an SVG path in film pixels.

    The steps of the mask's own, coarser pixels are smoothed away; they are no anatomy.
    """
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(f"Expected lungs, (h, w) bool. Received: {mask.shape} {mask.dtype}.")
    fine = cv2.resize(mask.astype(np.float32), None, fx=_FINER, fy=_FINER)
    fine = (cv2.GaussianBlur(fine, (0, 0), _FINER) > 0.5).astype(np.uint8)
    edges, _levels = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    unit = np.array(film_shape[::-1]) / fine.shape[::-1]  # (2,) film pixels
    path = ""
    for edge in edges:
        points = (cv2.approxPolyDP(edge, 0.75, True)[:, 0] + 0.5) * unit  # (n, 2) x, y
        path += "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"
    return path


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
) -> tuple[tuple[int, int], tuple[float, float], bytes]:
    """(width, height) of what is sent, its window Auto, its bytes: 1500 x 1200, 8 bits in 20 ms."""
    film = shrink(_film)
    shares = np.cumsum(np.bincount(film.ravel())) / film.size
    low, high = np.searchsorted(shares, _AUTO).tolist()
    return film.shape[::-1], (low, max(high, low + 1)), _pack_levels(film)


def _pack_levels(levels: np.ndarray) -> bytes:
    """(H, W) uint8 or uint16 as a zlib stream of differences between rows."""
    rows = levels.copy()
    rows[1:] -= levels[:-1]  # modulo 2**bits; viewer.js adds the rows up again
    if rows.dtype == np.uint16:  # all low bytes, then all high bytes, which hold long runs
        rows = np.stack([(rows & 0xFF).astype(np.uint8), (rows >> 8).astype(np.uint8)])
    # Run lengths only: differences of a noisy film hold no repeats worth the search.
    deflate = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    return deflate.compress(rows.tobytes()) + deflate.flush()


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
