"""What a training starts from: fresh weights, or a bundle, which knows children already."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from model.bundle import Bundle, open_bundle
from model.errors import ConfigError, DataError
from model.nn.dataset import Split, divide, is_frozen
from model.nn.recipe import FRESH, Recipe
from model.versions import champion


def start_of(recipe: Recipe) -> Bundle | None:
    """The bundle that `init` names; None for fresh weights. Raises BundleError."""
    if recipe.init in FRESH:
        return None
    folder = champion.served() if recipe.init == "champion" else Path(recipe.init)
    return open_bundle(folder, is_outdated=True)


def divided(recipe: Recipe, data: Path) -> Split:
    """The parts of a data folder for this training, see `dataset.divide`.

    Where the bundle that it starts from was validated on children of the folder, these stay the
    validation fold: judged on others, whom it has learned from, it would look too good. A frozen
    retraining set was divided so already.
    Raises DataError for too few patients, ConfigError for a start that may know the test split.
    """
    start = start_of(recipe)
    if start is not None:
        _check_protocol(recipe, start)
    split = divide(data, recipe.protocol, recipe.folds, recipe.seed)
    if start is None or is_frozen(data):
        return split
    fold = start.evaluations.get("validation")
    return validated_on(split, fold.patients if fold else ())


def validated_on(split: Split, patients: Collection[str]) -> Split:
    """The split with these patients as its validation fold; as it is if it has none of them.

    Raises DataError when one of the two parts has no film of a label then.
    """
    known, films = set(patients), [*split.training, *split.validation]
    validation = [film for film in films if film.patient in known]
    if not validation:
        return split
    training = [film for film in films if film.patient not in known]
    if any({film.label for film in part} != {0, 1} for part in (training, validation)):
        raise DataError(
            "both classes among the X-rays that the bundle to go on from was validated on, and "
            "among the others",
            f"{len(validation)} and {len(training)} X-rays",
            "Train on the data set of that bundle, or with init=scratch.",
        )
    return replace(split, training=training, validation=validation)


def _check_protocol(recipe: Recipe, start: Bundle) -> None:
    before = str(start.training.get("recipe", {}).get("protocol", "official"))
    if (recipe.protocol, before) != ("official", "official"):
        raise ConfigError(
            "protocol=official, also of the bundle to go on from: other protocols train on test/",
            f"protocol={recipe.protocol} from a bundle of protocol={before}",
            "Start with init=scratch.",
        )
