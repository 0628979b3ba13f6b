import pytest

from model.errors import ConfigError
from model.nn.recipe import RECIPES, recipe


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
    "change", ["colour=red", "seed=many", "size_px=4", "epochs=-1", "size_px=", "epochs"]
)
def test_bad_settings_are_refused(change):
    with pytest.raises(ConfigError):
        recipe("default", [change])


def test_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="default"):
        recipe("best", [])
