"""Agreement between readers and with the model; drift of the probabilities."""

import math
from pathlib import Path

import numpy as np
import pytest

from model.clinic import agreement, reviews
from model.errors import AccessError
from model.people.access import VISITOR
from tests.model.review_cases import ANN, BOB, review


def test_kappa_of_a_table_from_the_literature():
    """Two raters of 50 proposals: 20 both yes, 15 both no, 5 and 10 mixed; kappa is 0.4."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = agreement.kappa(first, second)
    assert found.value == pytest.approx(0.4)
    # Asymptotic interval: 0.4 +- 1.96 sqrt(po (1 - po) / (n (1 - pe)^2)), Cohen 1960
    half = 1.96 * math.sqrt(0.7 * 0.3 / (50 * 0.5**2))
    assert found.low == pytest.approx(0.4 - half, abs=0.05)
    assert found.high == pytest.approx(0.4 + half, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed: int):
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(seed)
    labels = np.array(["normal", "pneumonia", "other finding", "unusable image"])
    first = labels[rng.integers(0, 4, 40)]
    second = np.where(rng.random(40) < 0.6, first, labels[rng.integers(0, 4, 40)])
    found = agreement.kappa(list(first), list(second))
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.low <= found.value <= found.high


def test_kappa_at_its_ends():
    assert agreement.kappa(["a", "b"] * 20, ["a", "b"] * 20).value == 1
    assert agreement.kappa(["a", "b"] * 20, ["b", "a"] * 20).value == pytest.approx(-1)
    varied = ["a", "b", "a", "a", "b"]
    for first, second in (
        ([], []),
        (["a"] * 5, ["a"] * 5),
        (["a"] * 5, varied),
        (varied, ["b"] * 5),
    ):
        unknown = agreement.kappa(first, second)  # nobody, or only one, who tells films apart
        assert math.isnan(unknown.value)
        assert (unknown.low, unknown.high) == (0, 1)


def test_a_summary_counts_each_readers_last_word(database: str):
    def say(actor, image: str, label: str, **changes) -> None:
        reviews.add(actor, review(image, label, **changes), f"{actor.name} {image} {label}")

    say(ANN, "a", "viral", heatmap="right")
    say(ANN, "b", "normal", model_version="v2")
    say(ANN, "c", "normal", probability=0.1, verdict="agree")
    first = reviews.add(ANN, review("d", "other finding", verdict="", blinded=True), "first")
    say(ANN, "d", "viral", corrects=first.id)
    say(BOB, "a", "bacterial")
    say(BOB, "b", "viral")
    say(BOB, "d", "unusable image")

    found = agreement.summary(BOB)
    assert (found.num_reviews, found.num_images) == (7, 4)
    assert found.labels["viral"] == 3
    assert found.labels["other finding"] == 0
    assert found.heatmaps == {"right": 1, "partly": 0, "wrong place": 0, "no opinion": 6}

    (pair,) = found.readers
    assert (pair.first, pair.second, pair.num_images) == ("ann", "bob", 3)
    # a: both pneumonia; b: normal, pneumonia; d: other finding (before the model), unusable
    assert (pair.agreement.numerator, pair.agreement.denominator) == (1, 3)
    with_ann, with_bob = found.with_model
    # Ann on a, b, c, d: yes, no, no, no (before the model); the model: yes, yes, no, yes
    assert (with_ann.first, with_ann.num_images, with_ann.agreement.numerator) == ("ann", 4, 2)
    assert with_ann.kappa.value == pytest.approx((0.5 - 0.375) / (1 - 0.375))
    assert (with_bob.first, with_bob.num_images, with_bob.agreement.numerator) == ("bob", 2, 2)
    assert (pair.no_kappa, with_ann.no_kappa) == ("", "")
    assert with_bob.no_kappa == agreement.BOTH_ALIKE

    assert (found.overrides.numerator, found.overrides.denominator) == (1, 7)
    versions = found.overrides_by_version
    assert list(versions) == ["v1", "v2"]
    assert (versions["v2"].numerator, versions["v2"].denominator) == (1, 1)
    (month,) = found.overrides_by_month
    assert month == reviews.latest(ANN)[0].time[:7]


def test_what_the_model_was_made_to_say_of_a_refused_film_is_no_agreement(sqlite_home: Path):
    for image, gate in (("a", "accepted"), ("b", "unusual"), ("c", "refused")):
        reviews.add(ANN, review(image, "viral", gate_status=gate), image)
    (pair,) = agreement.summary(ANN).with_model
    assert pair.num_images == 2


def test_a_reader_who_never_varied_is_named(sqlite_home: Path):
    for actor, labels in ((ANN, ("normal", "viral")), (BOB, ("viral", "viral"))):
        for image, label in zip("ab", labels, strict=True):
            reviews.add(actor, review(image, label), f"{actor.name} {image}")
    (pair,) = agreement.summary(ANN).readers
    assert math.isnan(pair.kappa.value)
    assert pair.no_kappa == "cannot be computed: bob said the same of every film"


def test_a_summary_of_nothing(sqlite_home: Path):
    found = agreement.summary(ANN)
    assert (found.num_reviews, found.readers, found.with_model) == (0, (), ())
    assert math.isnan(found.overrides.value)
    with pytest.raises(AccessError):
        agreement.summary(VISITOR)


def test_drift_is_the_kolmogorov_smirnov_distance():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(0)
    now, then = rng.beta(2, 1, 200), rng.beta(1, 1, 300)
    found = agreement.drift(now, then)
    assert found.distance == pytest.approx(ks_2samp(now, then).statistic)
    assert "higher probabilities" in found.warning
    assert "lower probabilities" in agreement.drift(1 - now, then).warning


def test_no_drift_without_a_change_or_without_films():
    rng = np.random.default_rng(1)
    then = rng.beta(0.3, 0.3, 500)
    warned = [agreement.drift(rng.beta(0.3, 0.3, 100), then).warning != "" for _ in range(100)]
    assert sum(warned) <= 2  # at the .1 % level
    few = agreement.drift(np.ones(49), then)
    assert (few.num_now, few.warning) == (49, "")
    assert math.isnan(few.distance)
