"""How far is an X-ray from the films that a network knows, in its inner features?

Mahalanobis distances, Lee 2018 (arXiv:1807.03888), in the first principal components of chest
films, with what lies outside of them, as Moghaddam & Pentland 1997 (doi 10.1109/34.598227).
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from model.errors import BundleError
from model.files import write_whole

FILE = "gate.npz"
FORMAT = 1
NUM_COMPONENTS = 300
# What lies outside of the components is one more term, worth this share of them: photographs and
# bones stand out there, and films of other hospitals hardly do.
OUTSIDE_WEIGHT = 0.25
# So few films do not tell what is unlike them or upside down: every distance is 0.
MIN_FILMS = 200
QUANTILE = 0.99
FILM_MARGIN = 1.1  # the test split, another population, lies farther out than the fold
# Films of a hospital that the gate was not shown are that much farther than those of the fold: of
# 100 from intensive care, adults, 5 are refused; at 1.06, the others' 99th percentile, 47 were.
CHEST_FACTOR = 1.2
HELD_OUT = 4  # every 4th of the others is kept for choosing the limit


class Distances(NamedTuple):
    """Of N films, each (N,). film, chest: how unlike the training films, and any chest film, they
    are; 1 is the limit. turn: about 0 for an upright film, about 1 for one upside down.
    """

    film: np.ndarray
    chest: np.ndarray
    turn: np.ndarray


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of the films: D features in K components.

    centre, spread: (D,) of chest films. basis: (D, K), their components. variances: (K,) along
    them; outside: mean variance in the other directions. class_means: (C, K) of the training films.
    whitening: (K, K), a root of the inverse of their shared covariance. film_limit, chest_limit:
    distances from which a film is unlike the training films, and unlike chest films.
    upside_down: (K,), 0 on the mean of films and 1 on that of films turned upside down.
    """

    centre: np.ndarray
    spread: np.ndarray
    basis: np.ndarray
    variances: np.ndarray
    outside: np.ndarray  # ()
    class_means: np.ndarray
    whitening: np.ndarray
    film_limit: np.ndarray  # ()
    chest_limit: np.ndarray  # ()
    upside_down: np.ndarray

    @property
    def tell(self) -> bool:
        """Whether they are of enough films to tell one that is unlike them."""
        return bool(np.isfinite(self.chest_limit))

    def distances(self, features: np.ndarray) -> "Distances":
        """features (N, D) -> all that is known of where N films lie."""
        placed, left_out = self._place(features)
        apart = placed[:, None] - self.class_means  # (N, C, K)
        squares = ((apart @ self.whitening) ** 2).mean(axis=-1)  # (N, C)
        film = np.sqrt(squares.min(axis=1)) / self.film_limit
        inside = (placed**2 / self.variances).mean(axis=1)
        squares = inside + OUTSIDE_WEIGHT * left_out / self.outside  # (N,)
        chest = np.sqrt(squares / (1 + OUTSIDE_WEIGHT)) / self.chest_limit
        return Distances(film, chest, placed @ self.upside_down)

    def _place(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (N, K) and mean square of what lies outside of the components (N,)."""
        centred = (features.astype(np.float32) - self.centre) / self.spread  # (N, D)
        placed = centred @ self.basis  # (N, K)
        left_out = (centred**2).sum(axis=1) - (placed**2).sum(axis=1)
        return placed, np.maximum(left_out, 0) / max(centred.shape[1] - placed.shape[1], 1)

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all."""
        values = {name: np.asarray(value) for name, value in vars(self).items()}
        values["basis"] = self.basis.astype(np.float16)  # which it was rounded to

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, format=np.asarray(FORMAT), **values)

        write_whole(path, write)

    @classmethod
    def load(cls, path: Path) -> "Statistics":
        """Reads what `save` wrote. Raises BundleError for a missing, damaged or other file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                form = int(file["format"])
                found = cls(**{field.name: file[field.name] for field in fields(cls)})
                found = replace(found, basis=found.basis.astype(np.float32))
        except Exception:  # NumPy and zipfile raise many kinds
            raise _refuse(f"statistics of the gate in {FILE}", "no file that can be read") from None
        if form != FORMAT or not found._fits():
            raise _refuse(f"statistics of format {FORMAT} in {FILE}", "others")
        return found

    def _fits(self) -> bool:
        wanted = self.basis.shape  # (D, K)
        return (
            self.centre.shape == self.spread.shape == wanted[:1]
            and self.variances.shape == self.upside_down.shape == wanted[1:]
            and self.class_means.shape[1:] == wanted[1:]
            and self.whitening.shape == 2 * wanted[1:]
            and all(not np.isnan(values).any() for values in vars(self).values())
        )


def _refuse(expected: str, received: str) -> BundleError:
    return BundleError(expected, received, f"Restore {FILE} from where the model version came.")


def fit(
    training: np.ndarray,
    labels: np.ndarray,
    validation: np.ndarray,
    others: np.ndarray | None = None,
    turned: np.ndarray | None = None,
) -> Statistics:
    """Statistics of training features (N, D) with their labels (N,).

    validation: features (M, D) of X-rays that were not trained on, for the limits.
    others: features (K, D) of frontal chest films of other hospitals and ages, if there are any:
        they are unlike the training films and yet chest films.
    turned: features (T, D) of films turned upside down.
    """
    held_out = np.arange(0 if others is None else len(others)) % HELD_OUT == 0
    known = training if others is None else np.concatenate([training, others[~held_out]])
    centre = known.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = known.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-6)
    basis, variances, outside = _components((known - centre) / spread)
    scaled = (training - centre) / spread @ basis  # (N, K)
    classes = [scaled[labels == label] for label in np.unique(labels)]
    means = np.stack([films.mean(axis=0) for films in classes])  # (C, K)
    apart = [films - mean for films, mean in zip(classes, means, strict=True)]
    spreads, axes = np.linalg.eigh(ledoit_wolf(np.concatenate(apart))[0])
    whitening = (axes / np.sqrt(np.maximum(spreads, 1e-9))).astype(np.float32)
    unknown = np.asarray(np.inf)
    upside_down = np.zeros_like(variances)
    rounded = basis.astype(np.float16).astype(np.float32)  # as it is kept
    found = Statistics(
        centre, spread, rounded, variances, outside, means, whitening,
        unknown, unknown, upside_down,
    )  # fmt: skip
    if len(training) < MIN_FILMS:
        return found
    if turned is not None:
        upside_down = _direction(found._place(turned)[0], variances)
        found = replace(found, upside_down=upside_down)
    raw = replace(found, film_limit=np.asarray(1.0), chest_limit=np.asarray(1.0))
    film_limit = FILM_MARGIN * np.quantile(raw.distances(validation).film, QUANTILE)
    chest_limit = _chest_limit(raw, validation, None if others is None else others[held_out])
    return replace(raw, film_limit=film_limit, chest_limit=np.asarray(chest_limit))


def _chest_limit(
    statistics: Statistics, validation: np.ndarray, others: np.ndarray | None
) -> float:
    own = CHEST_FACTOR * float(np.quantile(statistics.distances(validation).chest, QUANTILE))
    if others is None:
        return own
    return max(own, float(np.quantile(statistics.distances(others).chest, QUANTILE)))


def _components(scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, D), centred -> basis (D, K), variances along it (K,), mean variance outside of it."""
    count, num_features = scaled.shape
    kept = min(NUM_COMPONENTS, max(1, min(scaled.shape) // 4))
    # The smaller of the two products has the same variances.
    product = (scaled @ scaled.T if count < num_features else scaled.T @ scaled) / count
    last = len(product) - 1
    variances, axes = eigh(product, subset_by_index=[last - kept + 1, last])  # (K,), (., K)
    variances = np.maximum(variances, 1e-9)
    if count < num_features:
        axes = scaled.T @ axes / np.sqrt(variances * count)  # (D, K)
    outside = (np.trace(product) - variances.sum()) / max(num_features - kept, 1)
    return axes, variances, np.asarray(max(outside, 1e-6))


def _direction(turned: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Fisher's linear discriminant from films, whose mean is 0, to turned films (T, K): (K,)."""
    scale = np.sqrt(variances)
    apart = turned / scale
    mean = apart.mean(axis=0)
    # The last term is a ridge: there are fewer turned films than components.
    within = np.cov(apart, rowvar=False) / 2 + 1.3 * np.eye(len(mean))
    axis = np.linalg.solve(within, mean)
    return (axis / (mean @ axis) / scale).astype(np.float32)
