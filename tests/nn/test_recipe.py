import pytest

from model.bundle import NETWORKS
from model.errors import ConfigError
from model.nn.augmentation import AUGMENTATIONS
from model.nn.recipe import PROTOCOLS, RECIPES, recipe


def test_preset_unchanged():
    assert recipe("default", []) == RECIPES["default"]


def test_one_size_makes_one_stage():
    chosen = recipe("default", ["size_px=64", "epochs=3"])
    assert (chosen.size_px, chosen.epochs) == ((64,), (3,))
    assert len(chosen.learning_rate) == 1
    assert chosen.final_px == 64


def test_schedule():
    chosen = recipe("default", ["size_px=64,128,224", "epochs=20,6,2", "seed=3"])
    assert chosen.size_px == (64, 128, 224)
    assert chosen.epochs == (20, 6, 2)
    assert chosen.seed == 3
    assert chosen.final_px == 224


def test_one_epochs_number_for_every_stage_of_sizes():
    assert recipe("default", ["size_px=32,48", "epochs=1"]).epochs == (1, 1)


@pytest.mark.parametrize(
    "change",
    ["colour=red", "seed=many", "size_px=4", "epochs=-1", "size_px=", "epochs", "input_px=-3",
     "input_px=4", "hidden=3", "background=-1", "average=1.5", "label_smoothing=nan", "dropout=1",
     "learning_rate=0", "learning_rate=nan", "weight_decay=-1", "clip_norm=0", "attention=inf"],
)  # fmt: skip
def test_bad_settings_are_refused(change):
    with pytest.raises(ConfigError):
        recipe("default", [change])


def test_only_vgg16_goes_on_at_another_size_and_has_imagenet_weights():
    with pytest.raises(ConfigError, match="one size for cnn"):
        recipe("default", ["network=cnn"])
    with pytest.raises(ConfigError, match="one size for cnn"):
        recipe("quick", ["network=cnn", "input_px=64"])
    assert recipe("quick", ["network=cnn", "size_px=64"]).final_px == 64
    with pytest.raises(ConfigError, match="no ImageNet weights"):
        recipe("quick", ["network=cnn", "init=imagenet"])


def test_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="default"):
        recipe("best", [])


@pytest.mark.parametrize("name", RECIPES)
def test_every_preset_names_what_there_is(name):
    preset = RECIPES[name]
    assert preset.network in NETWORKS
    assert preset.protocol in PROTOCOLS
    assert preset.augmentation in AUGMENTATIONS
    # A network whose weights follow from its size cannot change it between stages.
    assert preset.network == "vgg16" or set(preset.size_px) == {preset.final_px}
    assert preset.init != "imagenet" or preset.network.startswith("vgg16")


def test_protocol_2_never_starts_from_weights_that_have_seen_the_films():
    for preset in RECIPES.values():
        assert preset.protocol == "official" or preset.init == "scratch"


def test_the_network_of_the_paediatric_project_is_trained_as_it_was():
    preset = RECIPES["cnn_150"]
    assert (preset.size_px, preset.epochs, preset.learning_rate) == ((150,), (30,), (1e-4,))
    assert (preset.optimizer, preset.schedule, preset.dropout) == ("rmsprop", "constant", 0.2)
    assert (preset.augmentation, preset.label_smoothing, preset.balanced) == ("none", 0, False)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("balanced=false", False),
        ("balanced=True", True),
        ("average=0.99", 0.99),
        ("background=0.35", 0.35),
        ("optimizer=rmsprop", "rmsprop"),
        ("schedule=constant", "constant"),
        ("protocol=ungrouped", "ungrouped"),
        ("init=champion", "champion"),
        ("budget_minutes=90", 90.0),
    ],
)
def test_settings_from_the_command_line(change, expected):
    name = change.split("=")[0]
    value = getattr(recipe("default", [change]), name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("optimizer=sgd", "rmsprop"),
        ("schedule=step", "cosine"),
        ("protocol=random", "ungrouped"),
        ("network=resnet50", "cnn_150"),
        ("augmentation=wild", "affine"),
        ("balanced=perhaps", "balanced"),
        ("folds=1", "folds"),
        ("budget_minutes=-1", "budget_minutes"),
        ("budget_minutes=inf", "budget_minutes"),
        ("mix=1", "mix"),
        ("mix=0.5", "mix"),  # from scratch there is nothing to mix with
    ],
)
def test_what_is_refused_names_what_there_is(change, named):
    with pytest.raises(ConfigError, match=named):
        recipe("default", [change])
