"""A child's chest in attenuation, from simple 3-D shapes; coordinates as in `geometry.py`.
Sizes are those of a child of about four years. Nothing was taken from the pixels of a real film.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from geometry import (
    Array,
    Point,
    Solid,
    View,
    ellipsoid,
    footprint,
    inside,
    noise,
    rod,
    spline,
    thickness,
    tube,
    union,
)

# Per cm at about 65 kV: soft tissue, aerated lung, and what cortical bone adds to soft tissue.
SOFT, LUNG, BONE = 0.19, 0.075, 0.7


@dataclass(frozen=True)
class Opacity:
    """Lung filled with fluid: ellipsoids (x, y, z, rx, ry, rz in cm), the main one first."""

    regions: tuple[tuple[float, ...], ...]
    density: float = 0.9  # 0: aerated, 1: as dense as blood
    ragged_cm: float = 0.5
    patches: int = 0  # scattered lobules in each region instead of a solid one
    fissure_cm: float | None = None  # height of the fissure that bounds it below
    haze: tuple[float, float] = (0.0, 0.0)  # fluid all over the right and the left lung
    cuffing: float = 0.0  # thickening of the walls of bronchi and vessels on that side


@dataclass(frozen=True)
class Child:
    """Who lies how under the tube."""

    seed: int
    size_px: tuple[int, int] = (900, 720)
    width_cm: float = 21.5  # of the film
    stretch: float = 1.0  # length of the trunk for its width
    shift_cm: tuple[float, float] = (0.0, -0.4)
    tilt_deg: float = 0.0
    turn_deg: float = 0.0
    girth_cm: float = 0.0  # more fat, on each side
    heart: float = 1.0  # size
    breath_cm: float = 0.0  # how much lower than usual the diaphragm stands
    arms_deg: tuple[float, float] = (40.0, 30.0)  # right, left: above the horizontal
    chin_cm: float = -7.7
    opacity: Opacity | None = None

    @cached_property
    def view(self) -> View:
        """The pose as a projection."""
        pose = (self.size_px, self.width_cm, self.stretch, self.shift_cm, self.tilt_deg)
        return View(*pose, self.turn_deg)


def body(child: Child) -> Solid:
    """The skin: trunk, shoulders, raised arms, neck and chin."""
    hands = [upper_arm(child, side, np.array(9.0)).tolist() for side in (-1, 1)]
    chin = (0, child.chin_cm - 4.4, 1.5, 6.2, 4.6, 5.5)

    def distance(x: Array, y: Array, z: float) -> Array:
        up = np.clip((-2.5 - y) / 5.0, 0, 1)
        half, deep = 8.7 + child.girth_cm + 0.12 * y - 3.2 * up**1.5, 6.3 - 2.0 * up
        q = (np.abs(x) / half) ** 2.6 + np.abs((z + up) / deep) ** 2.6
        skin = (1 - q ** (1 / 2.6)) * deep
        for s, hand in zip((-1, 1), hands, strict=True):
            skin = union(skin, rod(x, y, z, (s * 6.2, -4.4, -1.5), hand, 2.9, 2.1), 1.6)
            trapezius = rod(x, y, z, (s * 7.4, -6.2, -1.5), (s * 2.0, -8.6, -1.5), 2.3, 4.2)
            skin = union(skin, trapezius, 1.5)
        skin = union(skin, rod(x, y, z, (0, -12, -1.5), (0, -5, -1.5), 4.7, 4.0), 1.0)
        return union(skin, ellipsoid(x, y, z, chin), 0.25)

    return distance


def upper_arm(child: Child, side: int, length: Array) -> Array:
    """The points on the upper arm `length` cm from the shoulder joint: (..., 3)."""
    angle = np.deg2rad(child.arms_deg[side > 0])
    aim = np.array([side * np.cos(angle), -np.sin(angle), 0.0])
    return np.array([side * 8.3, -6.0, -1.5]) + aim * length[..., None]


def cage(y: Array) -> tuple[Array, Array]:
    """Half width and half depth of the rib cage at height y; small children are nearly round."""
    up = np.clip((7.0 - y) / 12.4, 0, 1)
    width = 0.6 + 7.4 * np.maximum(1 - up**2.3, 1e-4) ** 0.62
    return width, 0.9 + 0.56 * width


def mediastinum(child: Child, x: Array, y: Array, z: float) -> Array:
    """Heart, great vessels and spine: what the lungs leave free in the middle."""
    h, low = child.heart, 2.3 + child.breath_cm
    heart = ellipsoid(x, y, z, (1.2, low, 1.4, 4.3 * h, 3.0 * h, 3.9), 0.85)  # left ventricle
    atrium = ellipsoid(x, y, z, (-0.35, low - 0.1, 1.2, 2.1 * h, 3.0 * h, 3.8))
    heart = union(heart, atrium, 0.8)
    heart = union(heart, ellipsoid(x, y, z, (1.1, -1.4, 1.2, 1.6, 1.9, 2.6)), 1.4)  # pulm. trunk
    knob = ellipsoid(x, y, z, (1.0, -3.1, -0.6, 1.25, 1.1, 1.5))  # arch of the aorta
    wide = 1.65 + 1.3 * np.clip((-3.0 - y) / 2.6, 0, 1) ** 2  # rounds the apices of the lungs
    q = np.sqrt(((x - 0.1) / wide) ** 2 + ((z - 0.8) / 4.4) ** 2)
    column = np.maximum((1 - q) * 1.7, ellipsoid(x, 0 * y, z, (0, 0, -5.2, 1.9, 1, 2.6)))
    return union(union(heart, knob), column, 0.4)


def lungs(child: Child) -> Solid:
    """Both lungs; the right dome of the diaphragm stands higher than the left."""

    def distance(x: Array, y: Array, z: float) -> Array:
        w, d = cage(y)
        chest = (1 - np.sqrt((x / w) ** 2 + (z / d) ** 2)) * 5
        apex = (y + 5.05 - 0.3 * np.minimum(np.abs(x) - 2.9, 0) ** 2) * 0.9
        right, left = 3.7 + 0.115 * (x + 3.7) ** 2, 4.3 + 0.115 * (x - 3.9) ** 2
        dome = np.minimum(right, left) + child.breath_cm + 0.07 * (z - 1.0) ** 2
        free = np.minimum((dome - y) * 0.8, -mediastinum(child, x, y, z))
        return np.minimum(np.minimum(chest, apex), free)

    return distance


def rib(i: int, side: int, rng: np.random.Generator) -> Array:
    """The i-th rib: a ring tilted forwards on the cage, ending where the cartilage begins."""
    end = (118, 128, 135, 140, 142, 140, 136, 130, 120, 108, 80, 60)[i] + rng.normal(0, 3)
    t = np.linspace(0.1, np.deg2rad(end), 1500)
    y = -5.75 + 1.13 * i + (1.6 + 0.24 * min(i, 8)) * (1 - np.cos(t)) - 0.35 * np.sin(2 * t)
    y = y + rng.normal(0, 0.06) + rng.normal(0, 0.05) * np.sin(3 * t)
    w, d = cage(y)
    return np.stack([side * (w + 0.15) * np.sin(t), y, -(d + 0.15) * np.cos(t)], 1)


def shoulders(child: Child, rng: np.random.Generator) -> Array:
    """Clavicles, scapulae and upper arms: thickness of bone in cm."""

    def bone(r: float, wall: float, core: float, *points: Point) -> Array:
        moved = [points + rng.normal(0, 0.08, (len(points), 3)) for _ in range(2)]
        curves = [spline(*p * (side, 1, 1)) for p, side in zip(moved, (-1, 1), strict=True)]
        return tube(child.view, curves, footprint(child.view, r, r, wall, core))

    def arm(r: float, wall: float, core: float, start: float, end: float) -> Array:
        curves = [upper_arm(child, side, np.linspace(start, end, 900)) for side in (-1, 1)]
        return tube(child.view, curves, footprint(child.view, r, r, wall, core))

    medial, lateral = (1.15, -5.0, 3.2), (7.0, -6.7, 0.2)
    out = bone(0.24, 0.08, 0.2, medial, (2.8, -5.7, 3.6), (4.9, -6.0, 2.3), lateral)
    out += bone(0.31, 0.06, 0.2, (1.1, -4.95, 3.2), (1.3, -5.1, 3.3), (1.5, -5.2, 3.4))
    tip, root, neck = (8.0, -1.3, -4.6), (4.6, -4.5, -4.9), (7.2, -5.6, -3.0)
    out += 0.5 * bone(0.12, 0.12, 0, neck, (7.3, -3.6, -4.2), tip)  # borders of the scapula
    out += 0.35 * bone(0.07, 0.07, 0, root, (5.7, -2.7, -5.2), tip)
    out += 0.35 * bone(0.2, 0.05, 0.2, root, (6.0, -5.7, -4.2), (7.7, -6.8, -2.0))  # its spine
    out += 0.6 * bone(0.36, 0.07, 0.35, (6.5, -5.0, -3.5), (7.0, -5.5, -3), (7.35, -5.75, -2.6))
    out += 0.6 * arm(0.46, 0.11, 0.2, 0.9, 11) + 0.5 * arm(0.6, 0.06, 0.5, 0.8, 1.2)
    return out + 0.3 * arm(0.53, 0.05, 0.8, 0.0, 0.4)  # the growth plate is a gap


def jaw(child: Child) -> Array:
    """The lower jaw: thickness of bone in cm."""
    c = child.chin_cm
    side = ((4.7, c - 4, -2), (3.5, c - 2.1, 1.5), (1.8, c - 0.85, 3.6))
    curve = spline(*((-x, y, z) for x, y, z in side), (0, c - 0.5, 4.6), *side[::-1])
    return 0.9 * tube(child.view, [curve], footprint(child.view, 0.45, 0.5, 0.13, 0.35))


def vertebrae(view: View, rng: np.random.Generator) -> Array:
    """Bodies with end plates, pedicles, transverse and spinous processes: thickness in cm."""
    x, y = view.plane(-4.0, 2)
    bow, phase = rng.uniform(0, 6), rng.uniform(0, 1)
    x = x - 0.15 * np.sin(y / 5 + float(bow))
    pitch = 1.16 + 0.012 * y
    v = (y / pitch + float(phase)) % 1 * pitch - pitch / 2  # from the middle of the vertebra
    half = 0.8 + 0.02 * (y + 8)
    edge = np.minimum(half - np.abs(x) + 0.25 * v**2, 0.42 - np.abs(v) - 0.08 * np.cos(2 * x))
    bone = 0.05 + 0.2 * inside(edge, 0.12) + 0.14 * np.exp(-((edge / 0.06) ** 2))
    for s in (-1, 1):
        pedicle = np.hypot((x - s * 0.72 * half) / 0.75, v + 0.08) - 0.23
        bone = bone + 0.12 * np.exp(-((pedicle / 0.09) ** 2))
        transverse = np.hypot((s * x - half - 0.3) / 1.6, v + 0.1) - 0.2
        bone = bone + 0.12 * inside(-transverse, 0.12)
    spinous = np.hypot(x / 0.5, v - 0.3) - 0.2
    bone = bone + 0.12 * np.exp(-((spinous / 0.08) ** 2))
    return view.enlarge(bone * inside(half + 0.15 - np.abs(x), 0.25), 2)


def tree(child: Child, side: int, rng: np.random.Generator) -> list[tuple[float, list[Array]]]:
    """Vessels of one lung, forking from the hilum to the pleura: radius in cm and curves of each
    generation. A daughter has .77 of her mother's radius, near Murray's law (2 ** (-1 / 3) = .79).
    """
    fan = np.deg2rad(np.array([-80, -62, -42, -24, -8, 8, 24, 40, 54, 66]))
    aim = np.stack([side * np.cos(fan), np.sin(fan), rng.normal(0, 0.45, fan.size)], 1)
    start = np.array([side * 2.4, -0.5 if side < 0 else -1.0, -0.5]) + 0.4 * aim
    radius, grown, lung = 0.23, [], lungs(child)
    for generation in range(10):
        aim[:, 2] = np.clip(aim[:, 2], -0.5, 0.5)  # seen end-on they would look like foreign bodies
        aim = aim / np.linalg.norm(aim, axis=1, keepdims=True)
        length = (1.6 * 0.86**generation) * rng.uniform(0.7, 1.25, len(aim))
        bend = rng.normal(0, 0.15, aim.shape)
        t = np.linspace(0, 1, 40)[:, None, None]
        curves = start + (aim * t + bend * t * (1 - t)) * length[:, None]  # (40, N, 3)
        deep = (lung(*np.moveaxis(curves[-1], -1, 0)) > 0.1) | (generation < 1)
        grown.append((radius, list(curves[:, deep].swapaxes(0, 1))))
        deep |= generation < 2  # the first ones may lie before or behind the heart
        start, aim = (np.repeat(a[deep], 2, axis=0) for a in (curves[-1], aim - bend))
        aim = aim + rng.normal(0, 0.36, aim.shape)
        radius *= 0.77
    return grown


def air(child: Child, rng: np.random.Generator) -> Array:
    """Trachea and main bronchi, bubble of the stomach and some bowel: thickness of air in cm."""
    view, b, fork = child.view, child.breath_cm, (-0.15, -1.9, -1.2)
    out = tube(view, [spline((0, -12, -1), (0.05, -6, -0.8), fork)], footprint(view, 0.4, 0.4))
    right = spline(fork, (-0.9, -1.0, -1.2), (-2.2, -0.1, -1.2))
    left = spline(fork, (0.9, -0.9, -1.3), (2.5, 0.0, -1.4))
    out += tube(view, [right, left], footprint(view, 0.26, 0.26))
    (x, y), gas = view.plane(1.5, 4), np.float32(0)
    bowel = [(*rng.uniform((0, 7.9 + b), (6, 8.9 + b)), 0.8, 0.5) for _ in range(4)]
    for cx, cy, rx, ry in [(3.6, 6.9 + b, 1.7, 0.75), *bowel]:
        q = ((x - cx) / rx) ** 2 + ((y - cy - rng.normal(0, 0.25) * (x - cx)) / ry) ** 2
        gas = gas + 1.6 * ry * np.sqrt(np.clip(1 - q, 0, 1))
    return out + view.enlarge(cv2.GaussianBlur(gas, (0, 0), 1.5), 4)


def lobules(opacity: Opacity, rng: np.random.Generator) -> list[list[float]]:
    """The ellipsoids of the opacity; where it is patchy, small ones scattered over its regions."""
    if not opacity.patches:
        return [list(region) for region in opacity.regions]
    out = []
    for region in np.array(opacity.regions):
        for _ in range(opacity.patches):
            at = region[:3] + region[3:] * rng.uniform(-0.8, 0.8, 3)
            size = rng.uniform(0.5, 1.25) * np.array([1.1, 0.9, 1.3])
            out.append([*at.tolist(), *size.tolist()])
    return out


def fluid(child: Child, opacity: Opacity, rng: np.random.Generator) -> Array:
    """Thickness in cm of fluid for air, ragged where it fades, cut at the fissure: (H, W)."""
    blobs, lung = lobules(opacity, rng), lungs(child)
    shape = child.view.plane(0, 4)[0].shape
    ragged = 0.7 * noise(shape, 45, rng) + 0.35 * noise(shape, 20, rng)

    def distance(x: Array, y: Array, z: float) -> Array:
        best = np.full_like(x, -5)
        for blob in blobs:
            if abs(z - blob[2]) < blob[5] + 1.2:
                best = np.maximum(best, ellipsoid(x, y, z, blob))
        best = best + opacity.ragged_cm * np.roll(ragged, int(z * 12), axis=int(z) % 2)
        if opacity.fissure_cm is not None:
            above = opacity.fissure_cm - y + 0.08 * z - 0.05 * np.abs(x)
            best = np.minimum(best, above * 8)  # a sharp edge
        return np.minimum(best, 9 * lung(x, y, z))

    soft_cm = 0.4 if opacity.patches else 0.8
    dense = opacity.density * thickness(child.view, distance, 4, soft_cm, 5.6)
    return dense * (1 + 0.02 * noise(dense.shape, 8, rng) + 0.05 * noise(dense.shape, 30, rng))


def bronchovascular(child: Child, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Thickness in cm of vessels, of the bronchi beside them and of swollen walls: (H, W) each."""
    view, op = child.view, child.opacity
    vessels, bronchi, cuffs = np.zeros((3, view.height, view.width), np.float32)
    trees = [tree(child, side, rng) for side in (-1, 1)]
    for i, ((r, left), (_, right)) in enumerate(zip(*trees, strict=True)):
        vessels += tube(view, left + right, footprint(view, r, r))
        if op and i < 4:
            bronchi += tube(view, left + right, footprint(view, 0.6 * r, 0.6 * r))
        if op and op.cuffing and i:
            sick = right if op.regions[0][0] > 0 else left
            cuffs += op.cuffing * tube(view, sick, footprint(view, r + 0.05, r + 0.05))
    return vessels, bronchi, cuffs


def attenuation(child: Child) -> tuple[Array, Array]:
    """Attenuation along each ray, and the part of it that the opacity adds: (H, W) each."""
    rng, view = np.random.default_rng(child.seed), child.view
    tissue = thickness(view, body(child), 8, 0.1, 7.0)
    lung = thickness(view, lungs(child), 2, 0.05, 5.6)
    ribs = [rib(i, side, rng) for i in range(12) for side in (-1, 1)]
    bone = tube(view, ribs, footprint(view, 0.15, 0.28, 0.06, 0.12))
    bone += jaw(child) + vertebrae(view, rng) + shoulders(child, rng)
    vessels, bronchi, cuffs = bronchovascular(child, rng)
    wet = fluid(child, child.opacity, rng) if child.opacity else np.zeros_like(lung)
    filled = np.clip(wet / np.maximum(lung, 0.5), 0, 1)
    # Vessels vanish in consolidated lung, bronchi become visible in it (the air bronchogram).
    dense = (SOFT - LUNG) * (wet + cuffs * (1 - filled)) - SOFT * bronchi * filled
    haze = lung * np.where(view.plane(0, 1)[0] < 0, *child.opacity.haze) if child.opacity else 0.0
    aerated = lung * (1 + 0.02 * noise(lung.shape, 7, rng)) - (1.5 * vessels + haze) * (1 - filled)
    total = SOFT * (tissue - air(child, rng)) - (SOFT - LUNG) * aerated + BONE * bone + dense
    return np.maximum(total, 0), dense
