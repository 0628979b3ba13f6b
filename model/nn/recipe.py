"""How a network is trained: one frozen recipe and its presets. Imports no Keras."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from model.bundle import NETWORKS
from model.errors import ConfigError
from model.nn.augmentation import AUGMENTATIONS

PROTOCOLS = ("official", "grouped", "ungrouped")
FRESH = ("scratch", "imagenet")  # values of `init` that have seen no film of a data set

SMALLEST_PX = 16  # VGG16 halves it four times
_CHOICES = {
    "network": NETWORKS,
    "protocol": PROTOCOLS,
    "optimizer": ("adamw", "rmsprop"),
    "schedule": ("cosine", "constant"),
    "augmentation": tuple(AUGMENTATIONS),
}


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run beside the data.

    Training goes through stages: stage i runs `epochs[i]` epochs at `size_px[i]` with its own
    warm-up and cosine from `learning_rate[i]`. All three have the same length.

    protocol: what is trained on and what is held out, see `dataset.divide`.
    init: `scratch`, `imagenet`, `champion` (the served bundle) or the folder of a bundle.
    input_px: the size the finished network reads at, 0 = the last of `size_px`.
    average: momentum of a moving average of the weights over the steps, 0 = none.
    mix: share of the weights it started from in the finished network's, 0..1 (WiSE-FT, Wortsman
        2022, arXiv:2109.01903): what a further training made worse comes back sooner than what it
        made better is lost.
    background: share of the training images whose lungs get another background.
    hidden: share of the training images whose lungs are hidden and whose label is one half.
    attention: weight of the loss that is the share of the evidence outside the lungs.
    budget_minutes: after so long no further epoch is begun and the best so far is finished; the
        time before an interruption counts, 0 = no limit.
    """

    network: str = "vgg16"
    protocol: str = "official"
    init: str = "scratch"
    seed: int = 0
    size_px: tuple[int, ...] = (64, 96, 128)
    epochs: tuple[int, ...] = (14, 7, 2)
    learning_rate: tuple[float, ...] = (2e-3, 1e-3, 3e-4)
    input_px: int = 0
    batch_size: int = 32
    optimizer: str = "adamw"
    schedule: str = "cosine"
    weight_decay: float = 5e-4
    clip_norm: float = 1.0
    warmup_steps: int = 60
    average: float = 0.0
    mix: float = 0.0
    label_smoothing: float = 0.05
    balanced: bool = True
    dropout: float = 0.4
    augmentation: str = "strong"
    background: float = 0.0
    hidden: float = 0.0
    attention: float = 0.0
    folds: int = 10
    budget_minutes: float = 0.0

    def __post_init__(self) -> None:
        stages = {len(self.size_px), len(self.epochs), len(self.learning_rate)}
        if len(stages) != 1:
            raise ConfigError(
                "size_px, epochs and learning_rate of the same length",
                f"{self.size_px}, {self.epochs}, {self.learning_rate}",
                "Give one value for each stage.",
            )
        for name, choices in _CHOICES.items():
            known = getattr(self, name) in choices
            self._check(name, known, f"one of {', '.join(choices)}")
        self._check_numbers()
        knows = self.init != "imagenet" or self.network.startswith("vgg16")
        self._check("init", knows, f"scratch for {self.network}, which has no ImageNet weights")
        is_one = self.network == "vgg16" or set(self.size_px) == {self.final_px}
        self._check("size_px", is_one, f"one size for {self.network}, which reads no other")
        can_look = self.network == "vgg16" or not self.attention
        self._check("attention", can_look, f"0 for {self.network}")
        can_mix = self.init != "scratch" and 0 < self.mix < 1
        self._check("mix", can_mix or not self.mix, "0, or below 1 and not from scratch")

    def _check_numbers(self) -> None:
        self._check("size_px", min(self.size_px) >= SMALLEST_PX, f"at least {SMALLEST_PX}")
        self._check("input_px", self.final_px >= SMALLEST_PX, f"0, or at least {SMALLEST_PX}")
        self._check("epochs", min(self.epochs) >= 0, "at least 0")
        rates = all(0 < rate < math.inf for rate in self.learning_rate)
        self._check("learning_rate", rates, "above 0")
        self._check("batch_size", self.batch_size >= 1, "at least 1")
        for name in ("average", "label_smoothing", "dropout"):
            self._check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for name in ("background", "hidden"):
            self._check(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("weight_decay", "attention"):
            self._check(name, 0 <= getattr(self, name) < math.inf, "at least 0")
        self._check("clip_norm", 0 < self.clip_norm < math.inf, "above 0")
        self._check("folds", self.folds >= 2, "at least 2")
        self._check("budget_minutes", 0 <= self.budget_minutes < math.inf, "minutes, or 0")

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            received = f"{getattr(self, name)!r}"
            raise ConfigError(f"{name}: {wanted}", received, "Change the setting.")

    @property
    def needs_lungs(self) -> bool:
        """Whether the lungs of the training images have to be found first."""
        return bool(self.background or self.hidden or self.attention)

    @property
    def final_px(self) -> int:
        """Side of the finished network's input in pixels."""
        return self.input_px or self.size_px[-1]


_VGG16 = Recipe()
# Student networks are trained as their authors did: no class weights, no label smoothing.
_STUDENT = Recipe(
    schedule="constant", weight_decay=0.0, label_smoothing=0.0, balanced=False, augmentation="none"
)
_MLP = replace(
    _STUDENT, network="mlp", size_px=(64,), epochs=(20,), learning_rate=(1e-3,), dropout=0.0
)
_DENSE = replace(
    _STUDENT, network="dense", size_px=(64,), epochs=(30,), learning_rate=(3e-4,), weight_decay=1e-2
)
_CNN_150 = replace(
    _STUDENT,
    network="cnn_150",
    size_px=(150,),
    epochs=(30,),
    learning_rate=(1e-4,),
    optimizer="rmsprop",
    dropout=0.2,
)
_SHORT = replace(_VGG16, size_px=(64,), epochs=(8,), learning_rate=(2e-3,))

RECIPES = {
    "default": _VGG16,
    # Shows in minutes that everything works; no network for use.
    "quick": Recipe(size_px=(32,), epochs=(2,), learning_rate=(1e-3,)),
    # From weights that have seen ImageNet: small steps at the full size.
    "finetune": Recipe(
        init="imagenet", size_px=(224,), epochs=(8,), learning_rate=(1e-4,), dropout=0.5
    ),
    # From the served version on: what is outside the lungs must not decide.
    "lungs": Recipe(
        init="champion",
        size_px=(96, 128),
        epochs=(8, 8),
        learning_rate=(3e-4, 1.5e-4),
        weight_decay=0.02,
        average=0.998,
        mix=0.25,
        background=0.4,
        hidden=0.15,
        attention=0.3,
    ),
    # Protocol 2 for VGG16, short, because no weights of protocol 1 may be its start.
    "grouped": replace(_SHORT, protocol="grouped"),
    "ungrouped": replace(_SHORT, protocol="ungrouped"),
    # The networks that VGG16 is compared with.
    "mlp": _MLP,
    "dense": _DENSE,
    "dense_128": replace(_DENSE, size_px=(128,)),
    "cnn": replace(
        _STUDENT,
        network="cnn",
        size_px=(128,),
        epochs=(20,),
        learning_rate=(1e-3,),
        augmentation="affine",
    ),
    "cnn_150": _CNN_150,
    "cnn_150_grouped": replace(_CNN_150, protocol="grouped"),
    "cnn_150_ungrouped": replace(_CNN_150, protocol="ungrouped"),
    "vgg16_frozen": replace(
        _STUDENT,
        network="vgg16_frozen",
        init="imagenet",
        size_px=(224,),
        epochs=(10,),
        learning_rate=(1e-3,),
        augmentation="affine",
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
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is tuple:
            item = type(default[key][0])
            return tuple(item(part) for part in text.split(","))
        return kind(text)
    except (ValueError, KeyError):
        raise ConfigError(
            f"a value of {key} like {default[key]!r}", f"{text!r}", "Correct the value."
        ) from None
