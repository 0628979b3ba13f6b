"""How a network is trained: one frozen recipe and its presets. Imports no Keras."""

from dataclasses import dataclass, fields, replace
from typing import Any

from model.bundle import NETWORKS
from model.errors import ConfigError
from model.nn.augmentation import AUGMENTATIONS


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run beside the data.

    Training goes through stages: stage i runs `epochs[i]` epochs at `size_px[i]` with its own
    warm-up and cosine from `learning_rate[i]`. All three have the same length.

    init: `scratch`, `imagenet`, `champion` (the served bundle) or the folder of a bundle.
    input_px: the size the finished network reads at, 0 = the last of `size_px`.
    """

    network: str = "vgg16"
    init: str = "scratch"
    seed: int = 0
    size_px: tuple[int, ...] = (64, 96, 128)
    epochs: tuple[int, ...] = (14, 7, 2)
    learning_rate: tuple[float, ...] = (2e-3, 1e-3, 3e-4)
    input_px: int = 0
    batch_size: int = 32
    weight_decay: float = 5e-4
    clip_norm: float = 1.0
    warmup_steps: int = 60
    label_smoothing: float = 0.05
    dropout: float = 0.4
    augmentation: str = "strong"
    folds: int = 10

    def __post_init__(self) -> None:
        stages = {len(self.size_px), len(self.epochs), len(self.learning_rate)}
        if len(stages) != 1:
            raise ConfigError(
                "size_px, epochs and learning_rate of the same length",
                f"{self.size_px}, {self.epochs}, {self.learning_rate}",
                "Give one value for each stage.",
            )
        self._check("size_px", min(self.size_px) >= 16, "at least 16")
        self._check("epochs", min(self.epochs) >= 0, "at least 0")
        self._check("batch_size", self.batch_size >= 1, "at least 1")
        self._check("folds", self.folds >= 2, "at least 2")
        self._check("network", self.network in NETWORKS, f"one of {', '.join(NETWORKS)}")
        known = self.augmentation in AUGMENTATIONS
        self._check("augmentation", known, f"one of {', '.join(AUGMENTATIONS)}")

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            received = f"{getattr(self, name)!r}"
            raise ConfigError(f"{name}: {wanted}", received, "Change the setting.")

    @property
    def final_px(self) -> int:
        """Side of the finished network's input in pixels."""
        return self.input_px or self.size_px[-1]


RECIPES = {
    "default": Recipe(),
    # Shows in minutes that everything works; no network for use.
    "quick": Recipe(size_px=(32,), epochs=(2,), learning_rate=(1e-3,)),
    # From weights that have seen ImageNet or X-rays: small steps at the full size.
    "finetune": Recipe(
        init="imagenet", size_px=(224,), epochs=(8,), learning_rate=(1e-4,), dropout=0.5
    ),
}


def recipe(name: str, changes: list[str]) -> Recipe:
    """The preset `name` with `key=value` changes, as `train --config NAME --set key=value` gives.

    One number for `size_px`, `epochs` or `learning_rate` where the preset has several stages makes
    it a single stage; the others then keep their last value. Raises ConfigError.
    """
    if name not in RECIPES:
        raise ConfigError(
            f"a config among {', '.join(RECIPES)}", f"{name!r}", "Choose one of them."
        )
    values: dict[str, Any] = {}
    for change in changes:
        key, _, text = change.partition("=")
        values[key.strip()] = _parse(key.strip(), text.strip())
    base = RECIPES[name]
    stages = max(
        (len(values[key]) for key in ("size_px", "epochs", "learning_rate") if key in values),
        default=len(base.epochs),
    )
    for key in ("size_px", "epochs", "learning_rate"):
        given = values.get(key, getattr(base, key))
        if len(given) != stages:
            values[key] = (given[-1:] * stages)[:stages] if len(given) == 1 else given[-stages:]
    return replace(base, **values)


def _parse(key: str, text: str) -> Any:
    default = {field.name: getattr(RECIPES["default"], field.name) for field in fields(Recipe)}
    if key not in default:
        raise ConfigError(f"a setting among {', '.join(default)}", f"{key!r}", "Correct the name.")
    kind = type(default[key])
    try:
        if kind is tuple:
            item = type(default[key][0])
            return tuple(item(part) for part in text.split(","))
        return kind(text)
    except ValueError:
        raise ConfigError(
            f"a value of {key} like {default[key]!r}", f"{text!r}", "Correct the value."
        ) from None
