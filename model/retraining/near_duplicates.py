"""Is it the same film, although its bytes are not? Fingerprints of films and their distance.

The perceptual hash is ImageHash's pHash of the film as the network is to see it: which of the
16 x 16 lowest frequencies of its cosine transform are above their median, 256 bits. Borders and
negatives change nothing, since `preprocessing.prepare` undoes them.

Measured on the 5,856 films of Kermany et al. at 224 px, distances in bits of 256:

    the same film again, 300 films                       median   99 %   largest
    as JPEG of quality 90 / 50                             0 / 2   6 / 8   8 / 10
    at 512 px, or 1000 x 800 px as JPEG of quality 80          0      4        6
    at 150 or 96 px                                        0 / 2     18       24
    gamma .7 / histogram equalised in tiles (CLAHE)      12 / 20     24/30   28/32
    as JPEG of quality 20 / gamma 1.4 / contrast x 1.3   6/12/10  48/60/86   106
    cut by 2 % at each edge, turned by 2 degrees              32  84/54    98/56
    two films of one child, of all 7,025 pairs: smallest 46
    films of two children, of all 17 million pairs: smallest 38, then 40, 42, 42, 44

So SAME finds what was exported, resized or compressed again, most of what was also brightened,
and no film of another child. What was cropped or turned is not found.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model import preprocessing
from model.xray import XRay

SIDE = 16
NUM_BITS = SIDE * SIDE
SAME = 28  # bits: two films that differ by no more are one
_BLOCK = 256


@dataclass(frozen=True)
class Fingerprint:
    """Hexadecimal: SHA-256 of a file, SHA-256 of what it shows, perceptual hash."""

    sha256: str
    pixels: str
    perceptual: str


def fingerprint(film: XRay) -> Fingerprint:
    """Of an X-ray as it was read."""
    return of_shown(film.sha256, film.display())


def of_shown(sha256: str, shown: np.ndarray) -> Fingerprint:
    """Of a film as shown, (H, W) uint8, whose file has this hash."""
    pixels = hashlib.sha256(repr(shown.shape).encode() + np.ascontiguousarray(shown).tobytes())
    grey = preprocessing.prepare(shown).grey
    return Fingerprint(sha256, pixels.hexdigest(), perceptual_hash(grey))


def perceptual_hash(grey: np.ndarray) -> str:
    """64 hexadecimal digits for a prepared grey, (H, W) uint8."""
    import imagehash  # SciPy takes a while
    from PIL import Image

    bits = imagehash.phash(Image.fromarray(grey), SIDE).hash  # (16, 16) bool
    return np.packbits(bits).tobytes().hex()


def near_pairs(hashes: Sequence[str]) -> list[tuple[int, int, int]]:
    """(i, j, distance) for every two perceptual hashes within SAME, i < j, in order."""
    return [(i, j, bits) for i, j, bits in _within(hashes, hashes) if i < j]


def nearest(hashes: Sequence[str], others: Sequence[str], most: int = SAME) -> list[int | None]:
    """For each perceptual hash its distance to the nearest of `others`; None beyond `most`."""
    found: list[int | None] = [None] * len(hashes)
    for i, _, bits in _within(hashes, others, most):
        before = found[i]
        found[i] = bits if before is None else min(before, bits)
    return found


def found_in(films: Sequence[Fingerprint], others: Sequence[Fingerprint]) -> list[int | None]:
    """For each film which of `others` is the same: as a file, as a picture, else nearly.

    others: without their picture and perceptual hash, "", they are known by their file alone.
    """
    known = {key: j for j, one in enumerate(others) for key in (one.sha256, one.pixels)}
    seen = [j for j, one in enumerate(others) if one.perceptual]
    pairs = _within([one.perceptual for one in films], [others[j].perceptual for j in seen])
    near = {i: seen[j] for i, j, _ in pairs}
    return [known.get(f.sha256, known.get(f.pixels, near.get(i))) for i, f in enumerate(films)]


def _within(
    hashes: Sequence[str], others: Sequence[str], most: int = SAME
) -> list[tuple[int, int, int]]:
    """Compared in blocks: 6,000 with 6,000 films take a second and no more than 50 MB."""
    found: list[tuple[int, int, int]] = []
    words, other_words = _words(hashes), _words(others)
    for start in range(0, len(words), _BLOCK):
        differ = words[start : start + _BLOCK, None] ^ other_words[None]  # (B, M, 4)
        bits = np.bitwise_count(differ).sum(axis=2, dtype=np.int16)  # (B, M)
        for i, j in np.argwhere(bits <= most).tolist():
            found.append((start + i, j, int(bits[i, j])))
    return found


def _words(hashes: Sequence[str]) -> np.ndarray:
    """(N, 4) uint64."""
    raw = b"".join(bytes.fromhex(one) for one in hashes)
    return np.frombuffer(raw, np.uint64).reshape(-1, NUM_BITS // 64)
