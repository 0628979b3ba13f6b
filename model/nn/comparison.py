"""The networks that VGG16 is compared with, each trained and read by the same code.

One recipe each (`recipe.RECIPES`); the result of each is its card, `comparison/NAME.json` in the
served bundle's folder, with labels and logits of its own validation and test X-rays.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from model.bundle import CARD, FORMAT, Bundle, open_bundle
from model.config import settings
from model.errors import BundleError, DataError
from model.files import write_json, write_whole
from model.nn import evaluate
from model.nn.classifier import Classifier
from model.nn.dataset import Split, data_hash, divide
from model.nn.recipe import RECIPES, Recipe
from model.nn.release import release
from model.nn.train import train

NAMES = (
    "mlp", "dense", "dense_128", "cnn", "cnn_150", "vgg16_frozen", "default",
    "grouped", "ungrouped", "cnn_150_grouped", "cnn_150_ungrouped",
)  # fmt: skip

TEST_SHA256 = "test_sha256"  # of the X-rays of the test part that was read


def compare(data: Path, out: Path, names: Sequence[str] = NAMES) -> None:
    """Trains what `out/NAME` does not hold yet, reads its test part and keeps its card.

    What was trained with another recipe or on other X-rays is trained again, what was read on
    another test part is read again.
    A network whose ImageNet weights cannot be had is kept as missing, with the reason.
    """
    for name in names:
        recipe, kept = RECIPES[name], settings().bundle / "comparison" / f"{name}.json"
        print(f"{name}: {recipe.network} at {recipe.final_px} px, {recipe.protocol}", flush=True)
        try:
            _keep(_finished(recipe, data, out / name), kept)
        except DataError as error:
            if recipe.init != "imagenet":
                raise
            write_json(kept, {"format": FORMAT, "name": name, "missing": str(error)})
            print(error, flush=True)


def _finished(recipe: Recipe, data: Path, folder: Path) -> Bundle:
    """The bundle in `folder` with an evaluated test part; trained now unless it is there."""
    split = divide(data, recipe.protocol, recipe.folds, recipe.seed)
    bundle = _existing(recipe, split, folder)
    bundle = bundle or release(train(recipe, split, folder / "run"), folder)
    if bundle.training.get(TEST_SHA256) != data_hash(split.test):
        _read_test(bundle, split)
    return open_bundle(folder)


def _existing(recipe: Recipe, split: Split, folder: Path) -> Bundle | None:
    try:
        bundle = open_bundle(folder)
    except BundleError:
        return None
    told = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(recipe).items()}
    # A setting that came later than the bundle had its default then.
    kept = {**asdict(Recipe()), **bundle.training["recipe"]}
    seen = data_hash([*split.training, *split.validation])
    return bundle if kept == told and bundle.training["data_sha256"] == seen else None


def _read_test(bundle: Bundle, split: Split) -> None:
    if not split.test:
        raise DataError("a test/ folder beside train/", "none", "Give the whole data set.")
    readings = evaluate.read_all(Classifier(bundle), split.test)
    training = {**bundle.training, TEST_SHA256: data_hash(split.test)}
    evaluate.record(replace(bundle, training=training), "test", readings)


def _keep(bundle: Bundle, path: Path) -> None:
    text = (bundle.folder / CARD).read_text()
    write_whole(path, lambda temporary: temporary.write_text(text))
