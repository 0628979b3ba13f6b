"""Line integrals of X-rays through simple 3-D shapes: solids of soft tissue, tubes of bone.

Lengths are centimetres, in patient coordinates seen from the front: x to the right of the image
(the patient's left), y down from the middle of the chest, z towards the tube. A solid is a function
(x, y, z) -> signed distance in cm, positive inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

Array = np.ndarray
Solid = Callable[[Array, Array, float], Array]
Point = tuple[float, float, float]
TUBE_CM = 120.0  # from the tube to the middle of the child: what lies in front is magnified


class View:
    """The pose: from patient centimetres to pixels and back, with the magnification of the beam."""

    def __init__(
        self,
        size_px: tuple[int, int],
        width_cm: float,
        stretch: float,
        shift_cm: tuple[float, float],
        tilt_deg: float,
        turn_deg: float,
    ):
        """`stretch` lengthens the trunk, `tilt` is in the plane of the film, `turn` out of it."""
        self.width, self.height = size_px
        self.px_per_cm = self.width / width_cm
        self.stretch, self.shift = stretch, shift_cm
        c, s = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
        self.rotation = np.array([[c, -s], [s, c]])
        self.turn = math.tan(math.radians(turn_deg))
        self.planes: dict[int, Array] = {}

    def pixels(self, points: Array) -> Array:
        """(N, 3) cm -> (N, 2) pixels."""
        flat = points[:, :2] * (1 + points[:, 2:] / TUBE_CM) * (1, self.stretch)
        flat[:, 0] += points[:, 2] * self.turn
        moved = flat @ self.rotation.T + self.shift
        return moved * self.px_per_cm + (self.width / 2, self.height / 2)

    def plane(self, z: float, step: int) -> tuple[Array, Array]:
        """x and y in cm, at depth z, of the middles of blocks of `step` pixels: each (H, W)."""
        if step not in self.planes:
            shape = -(-self.width // step), -(-self.height // step)
            x, y = np.meshgrid(*(np.arange(n) * step + (step - 1) / 2 for n in shape))
            flat = np.stack([x - self.width / 2, y - self.height / 2], -1) / self.px_per_cm
            moved = (flat - self.shift) @ self.rotation / (1, self.stretch)
            self.planes[step] = np.moveaxis(moved, -1, 0).astype(np.float32).copy()
        x, y = self.planes[step]
        return (x - z * self.turn) / (1 + z / TUBE_CM), y / (1 + z / TUBE_CM)

    def enlarge(self, a: Array, step: int) -> Array:
        """Blocks of `step` pixels -> pixels: (H, W)."""
        size = a.shape[1] * step, a.shape[0] * step
        grown = cv2.resize(a.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
        return grown[: self.height, : self.width]


def inside(distance: Array, soft_cm: float = 0.06) -> Array:
    """0..1 across an edge twice soft_cm wide."""
    return np.clip(0.5 + distance / (2 * soft_cm), 0, 1)


def union(a: Array, b: Array, k: float = 0.8) -> Array:
    """Smooth union, rounded over k cm (I. Quilez, Smooth minimum, 2013)."""
    h = np.clip(0.5 + 0.5 * (a - b) / k, 0, 1)
    return a * h + b * (1 - h) + k * h * (1 - h)


def ellipsoid(x: Array, y: Array, z: float, c: Sequence[float], tilt: float = 0.0) -> Array:
    """The ellipsoid (cx, cy, cz, rx, ry, rz), tilted by radians in the film's plane."""
    u, v = x - c[0], y - c[1]
    if tilt:
        cos, sin = math.cos(tilt), math.sin(tilt)
        u, v = u * cos + v * sin, v * cos - u * sin
    q = np.sqrt((u / c[3]) ** 2 + (v / c[4]) ** 2 + ((z - c[2]) / c[5]) ** 2)
    return (1 - q) * min(c[3:])


def rod(x: Array, y: Array, z: float, a: Point, b: Point, ra: float, rb: float) -> Array:
    """The rod from a to b, of radius ra and rb there."""
    d = tuple(q - p for p, q in zip(a, b, strict=True))
    u, v, w = x - a[0], y - a[1], z - a[2]
    t = np.clip((u * d[0] + v * d[1] + w * d[2]) / sum(k * k for k in d), 0, 1)
    gap = np.sqrt((u - t * d[0]) ** 2 + (v - t * d[1]) ** 2 + (w - t * d[2]) ** 2)
    return ra + t * (rb - ra) - gap


def thickness(view: View, solid: Solid, step: int, soft_cm: float, depth_cm: float) -> Array:
    """Length in cm of each ray within the solid, which lies within +-depth_cm: (H, W).

    From one depth to the next the distance is taken as linear: few depths suffice, without steps.
    """
    depths, total = np.linspace(-depth_cm, depth_cm, 21).tolist(), np.float32(0)
    before = solid(*view.plane(depths[0], step), depths[0])
    for z in depths[1:]:
        here = solid(*view.plane(z, step), z)
        slope = np.maximum(np.abs(here - before), 2 * soft_cm)
        total = total + np.clip(0.5 + (here + before) / 2 / slope, 0, 1)
        before = here
    return view.enlarge(total * (depths[1] - depths[0]), step)


def spline(*points: Point) -> Array:
    """A smooth curve through 3-D points: (900, 3)."""
    return CubicSpline(np.linspace(0, 1, len(points)), points)(np.linspace(0, 1, 900))


def footprint(view: View, rx: float, ry: float, wall: float = 0.0, core: float = 1.0) -> Array:
    """What one point of a tube adds: a filled ellipse, or a ring of cortex `wall` cm thick with
    marrow of relative density `core`.

    The integral of a ring along a line is the chord through a hollow rod. So points spread along a
    3-D curve give the thickness of a bone, and the ring itself where it runs towards the tube.
    """
    n = int(max(rx, ry) * view.px_per_cm) + 2
    x, y = np.meshgrid(*[np.arange(-n, n + 1) / view.px_per_cm] * 2)

    def fill(a: float, b: float) -> Array:
        return inside((1 - np.hypot(x / a, y / b)) * min(a, b), 0.5 / view.px_per_cm)

    hollow = fill(max(rx - wall, 0.01), max(ry - wall, 0.01))
    return (fill(rx, ry) - hollow * (1 - core)).astype(np.float32)


def tube(view: View, curves: Sequence[Array], stamp: Array) -> Array:
    """Thickness in cm of rods with that footprint along curves of (N, 3) points: (H, W)."""
    canvas = np.zeros((view.height, view.width))
    if not len(curves):
        return canvas.astype(np.float32)
    xy = view.pixels(np.concatenate([(c[1:] + c[:-1]) / 2 for c in curves]))
    length = np.concatenate([np.linalg.norm(np.diff(c, axis=0), axis=1) for c in curves])
    corner = np.floor(xy).astype(int)
    for offset in ((0, 0), (0, 1), (1, 0), (1, 1)):  # each point is shared by its four pixels
        at = corner + offset
        share = length * np.prod(1 - np.abs(xy - at), axis=1)
        seen = np.all((at >= 0) & (at < (view.width, view.height)), axis=1)
        np.add.at(canvas, (at[seen, 1], at[seen, 0]), share[seen])
    return cv2.filter2D(canvas.astype(np.float32), -1, stamp, borderType=cv2.BORDER_CONSTANT)


def noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Array:
    """Smooth noise of mean 0 and deviation 1, with structures of about `scale` pixels."""
    small = rng.standard_normal([int(n / scale) + 3 for n in shape], dtype=np.float32)
    out = cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (out - out.mean()) / out.std()
