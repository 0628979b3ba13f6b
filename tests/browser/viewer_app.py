"""A small app around the viewer, for its tests: a drawn chest, no patient."""

import json

import numpy as np
import streamlit as st

from pages.shared.viewer import NO_EVIDENCE, viewer


@st.cache_data
def draw_chest(width: int = 1500, height: int = 1200) -> np.ndarray:
    """A frontal chest as a child might draw it: (H, W) float32, 0..1, bright where dense."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x / width - 0.5) * 2, (y / height - 0.5) * 2  # -1..1

    def ellipse(cx: float, cy: float, rx: float, ry: float, soft: float = 0.12) -> np.ndarray:
        reach = np.hypot((x - cx) / rx, (y - cy) / ry)
        return 1 / (1 + np.exp(np.clip((reach - 1) / (soft / 2.5), -30, 30)))

    chest = 0.62 * ellipse(0, 0.15, 0.88, 1.25, 0.06)
    lungs = ellipse(-0.4, -0.02, 0.29, 0.62) + ellipse(0.4, -0.02, 0.28, 0.6)
    chest -= 0.42 * lungs
    ribs = np.clip(np.cos(17 * (y + 0.35 * x**2 + 0.04 * np.sign(x) * x)), 0, 1) ** 6
    chest += 0.1 * ribs * ellipse(0, -0.02, 0.78, 0.75)
    chest += 0.2 * ellipse(0, 0.1, 0.075, 1.3, 0.3)  # spine
    chest += 0.26 * ellipse(0.13, 0.27, 0.3, 0.33, 0.25)  # heart
    chest += 0.22 * ellipse(-0.4, 0.82, 0.46, 0.3) + 0.18 * ellipse(0.42, 0.86, 0.44, 0.3)
    chest += 0.17 * ellipse(-0.36, 0.28, 0.17, 0.2, 0.9)  # a shadow that should not be there
    noise = np.random.default_rng(7).normal(0, 0.012, chest.shape)
    return np.clip(chest + noise, 0, 1).astype(np.float32)


def draw_heat(size_px: int = 14) -> np.ndarray:
    """Heat over the shadow: (size_px, size_px) float32, 0..1."""
    y, x = (np.mgrid[0:size_px, 0:size_px].astype(np.float32) + 0.5) / size_px * 2 - 1
    heat = np.exp(-((x + 0.36) ** 2 + (y - 0.28) ** 2) / 0.09)
    heat += 0.35 * np.exp(-((x - 0.5) ** 2 + (y + 0.4) ** 2) / 0.05)
    return np.clip(heat, 0, 1)


def draw_lungs(size_px: int = 96) -> np.ndarray:
    """Two ellipses where the lungs are: (size_px, size_px) bool."""
    y, x = (np.mgrid[0:size_px, 0:size_px] + 0.5) / size_px * 2 - 1
    return np.hypot((abs(x) - 0.4) / 0.28, (y + 0.02) / 0.6) < 1


FILMS = ("eight bit", "twelve bit", "two maps", "no evidence", "no verdict", "large", "to mark")
MARK = {"kind": "box", "points": [[0.1, 0.2], [0.3, 0.5]]}  # one that is there at first

st.set_page_config(page_title="Viewer", layout="wide")
st.session_state.runs = st.session_state.get("runs", 0) + 1
left, middle, right = st.columns([1, 1, 3])
left.button("Run again")
chosen = right.radio("Film", FILMS, horizontal=True, label_visibility="collapsed")
middle.html(f"runs <span data-testid='runs'>{st.session_state.runs}</span>")

chest = draw_chest()
film, window = (chest * 255).astype(np.uint8), (0.0, 255.0)
heatmaps = {"Grad-CAM": draw_heat()}
lungs: np.ndarray | None = draw_lungs()
empty = NO_EVIDENCE
if chosen == "twelve bit":
    film, window = (chest * 4095).astype(np.uint16), (200.0, 3500.0)
    film[600, 750] = 2748  # 0xABC: the test reads it back
elif chosen == "two maps":
    heatmaps["finer"] = np.fliplr(draw_heat(28))
elif chosen == "no evidence":
    heatmaps = {"Grad-CAM": np.zeros((14, 14), np.float32)}
elif chosen == "no verdict":
    heatmaps, lungs, empty = {}, None, "Refused, so no heatmap."
elif chosen == "large":
    film = np.repeat(np.repeat(film, 2, axis=0), 2, axis=1)
drawn = viewer(
    film,
    window,
    heatmaps,
    key="viewer",
    film_id=chosen,
    lungs=lungs,
    note="drawn, no patient",
    empty=empty,
    drawing="first" if chosen == "to mark" else "",
    regions=[MARK] if chosen == "to mark" else [],
)
st.html(f"<p data-testid='drawn'>{json.dumps(drawn)}</p>")
st.write("Below the viewer.")
