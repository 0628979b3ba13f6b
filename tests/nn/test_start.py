"""What a training starts from, and that it is not judged on whom its start has learned from."""

from dataclasses import replace

import pytest

from model.bundle import open_bundle
from model.errors import ConfigError, DataError
from model.nn import start
from model.nn.dataset import divide
from model.nn.recipe import recipe
from model.nn.start import divided, start_of, validated_on
from model.nn.train import _describe


def settings(tiny_bundle, *changes):
    return recipe("quick", [f"init={tiny_bundle}", "size_px=32", "folds=3", *changes])


def patients(examples):
    return {example.patient for example in examples}


@pytest.fixture
def fold(tiny_bundle):
    """The children whom the bundle to start from was validated on."""
    return set(open_bundle(tiny_bundle).evaluations["validation"].patients)


def test_a_fresh_start_is_no_bundle_and_champion_is_what_is_served(monkeypatch, tiny_bundle):
    assert start_of(recipe("quick", [])) is None
    assert start_of(recipe("quick", ["init=imagenet"])) is None
    monkeypatch.setattr(start.champion, "served", lambda: tiny_bundle)
    assert start_of(recipe("quick", ["init=champion"])).folder == tiny_bundle


@pytest.mark.parametrize("change", ["seed=1", "seed=2", "folds=4"])
def test_whatever_the_seed_the_fold_of_the_start_stays_the_fold(
    tiny_bundle, tiny_data, fold, change
):
    fresh = divided(settings("scratch", change), tiny_data)
    assert patients(fresh.validation) != fold  # drawn anew, it would hold children it knows
    split = divided(settings(tiny_bundle, change), tiny_data)
    assert patients(split.validation) == fold
    assert len(split.training) + len(split.validation) == 24
    assert not patients(split.training) & fold
    assert split.test == fresh.test


def test_children_that_the_start_has_never_seen_are_divided_as_usual(tiny_data):
    split = divide(tiny_data, "official", folds=3, seed=0)
    assert validated_on(split, ["somebody else"]) == split


def test_a_fold_of_one_class_is_refused(tiny_data):
    split = divide(tiny_data, "official", folds=3, seed=0)
    one = next(film.patient for film in split.training if film.label)
    with pytest.raises(DataError, match="both classes"):
        validated_on(split, [one])


def test_a_start_that_may_know_test_films_is_refused(monkeypatch, tiny_bundle, tiny_data):
    with pytest.raises(ConfigError, match="train on test/"):
        divided(settings(tiny_bundle, "protocol=grouped"), tiny_data)
    bundle = open_bundle(tiny_bundle)
    told = bundle.training | {"recipe": {**bundle.training["recipe"], "protocol": "ungrouped"}}
    monkeypatch.setattr(start, "open_bundle", lambda *_, **__: replace(bundle, training=told))
    with pytest.raises(ConfigError, match="bundle of protocol=ungrouped"):
        divided(settings(tiny_bundle), tiny_data)


def test_a_frozen_set_stays_as_it_is_divided(monkeypatch, tiny_bundle, tiny_data):
    split = divide(tiny_data, "official", folds=3, seed=5)
    monkeypatch.setattr(start, "is_frozen", lambda folder: True)
    monkeypatch.setattr(start, "divide", lambda *_: split)
    assert divided(settings(tiny_bundle), tiny_data) is split


def test_a_run_from_another_champion_is_another_run(monkeypatch, tiny_bundle, tiny_data):
    split = divide(tiny_data, "official", folds=3, seed=0)
    bundle, told = open_bundle(tiny_bundle), []
    for sha256 in (bundle.weights_sha256, "other"):
        now = replace(bundle, weights_sha256=sha256)
        monkeypatch.setattr(start, "open_bundle", lambda *_, now=now, **__: now)
        told.append(_describe(recipe("quick", ["init=champion"]), split))
    assert told[0] != told[1]
