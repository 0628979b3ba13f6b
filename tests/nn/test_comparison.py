"""The comparison trains what is missing, reads the test part and keeps a card of each network."""

import json
import shutil
from dataclasses import replace

import pytest

from model.bundle import CARD
from model.config import Settings
from model.errors import DataError
from model.nn import comparison
from model.nn.recipe import RECIPES


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The folder of the served bundle, where the cards go; every recipe made small."""
    settings = Settings(home=tmp_path, bundle=tmp_path / "served")
    monkeypatch.setattr(comparison, "settings", lambda: settings)
    small = {"size_px": (48,), "epochs": (1,), "learning_rate": (1e-3,), "folds": 3}
    for name in comparison.NAMES:
        monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], **small))
    return settings.bundle


def card(served, name):
    return json.loads((served / "comparison" / f"{name}.json").read_text())


def test_every_name_has_a_recipe_and_every_network_is_compared():
    assert set(comparison.NAMES) <= set(RECIPES)
    networks = {RECIPES[name].network for name in comparison.NAMES}
    assert networks == {"mlp", "dense", "cnn", "cnn_150", "vgg16", "vgg16_frozen"}


def test_a_network_is_trained_read_on_the_test_split_and_its_card_kept(served, tiny_data, tmp_path):
    comparison.compare(tiny_data, tmp_path / "runs", ["mlp"])

    kept = card(served, "mlp")
    assert kept == json.loads((tmp_path / "runs" / "mlp" / CARD).read_text())
    assert kept["network"] == "mlp"
    files = {path.name for path in (tiny_data / "test").glob("*/*")}
    assert set(kept["evaluations"]["test"]["files"]) == files
    assert len(kept["training"]["curves"]) == 1


class TrainedAgainError(Exception):
    pass


def test_only_another_recipe_or_other_x_rays_are_trained_on_or_read_again(
    served, tiny_data, tmp_path, monkeypatch
):
    data, runs = shutil.copytree(tiny_data, tmp_path / "data"), tmp_path / "runs"
    comparison.compare(data, runs, ["dense"])
    first = card(served, "dense")

    def refuse(*_):
        raise TrainedAgainError

    with monkeypatch.context() as patch:
        patch.setattr(comparison, "train", refuse)
        comparison.compare(data, runs, ["dense"])
        assert card(served, "dense") == first

        one, other = sorted((data / "test" / "NORMAL").iterdir())[:2]
        other.write_bytes(one.read_bytes())  # the names stay as they were
        comparison.compare(data, runs, ["dense"])
        second = card(served, "dense")
        assert second["model_version"] == first["model_version"]
        files = first["evaluations"]["test"]["files"]
        at, of_one = files.index(other.name), files.index(one.name)
        before, after = (value["evaluations"]["test"]["logits"] for value in (first, second))
        assert before[at] != before[of_one] == after[of_one] == after[at]

        gone = sorted((data / "train" / "NORMAL").iterdir())[0]
        content = gone.read_bytes()
        gone.unlink()
        with pytest.raises(TrainedAgainError):
            comparison.compare(data, runs, ["dense"])
        gone.write_bytes(content)

    monkeypatch.setitem(RECIPES, "dense", replace(RECIPES["dense"], dropout=0.1))
    comparison.compare(data, runs, ["dense"])
    assert card(served, "dense")["training"]["recipe"]["dropout"] == 0.1


def test_grouped_and_ungrouped_hold_out_a_part_of_all_x_rays(served, tiny_data, tmp_path):
    comparison.compare(tiny_data, tmp_path / "runs", ["cnn_150_grouped"])

    evaluations = card(served, "cnn_150_grouped")["evaluations"]
    test, validation = (set(evaluations[name]["patients"]) for name in ("test", "validation"))
    assert test
    assert not test & validation
    assert str(tmp_path) not in json.dumps(evaluations)


def test_without_imagenet_weights_the_network_is_said_to_be_missing(
    served, tiny_data, tmp_path, monkeypatch
):
    def no_network(_):
        raise DataError("the ImageNet weights of VGG16 by download", "URLError", "Check.")

    monkeypatch.setattr("model.nn.network.load_imagenet", no_network)
    comparison.compare(tiny_data, tmp_path / "runs", ["vgg16_frozen"])

    kept = card(served, "vgg16_frozen")
    assert kept["name"] == "vgg16_frozen"
    assert "ImageNet" in kept["missing"]


def test_data_without_a_test_folder_is_an_error(served, tiny_data, tmp_path):
    with pytest.raises(DataError, match="test/"):
        comparison.compare(tiny_data / "train", tmp_path / "runs", ["mlp"])
