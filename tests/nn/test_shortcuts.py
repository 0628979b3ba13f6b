"""Networks of which it is known what they look at, and films that can be told in two places."""

import json

import numpy as np
import pytest

from model.looks import Shortcuts
from model.nn.shortcuts import MARGIN_PX, VARIANTS, headline, measure, widened

SIDE = 224
LUNGS = np.zeros((SIDE, SIDE), bool)
LUNGS[60:156, 32:96] = LUNGS[60:156, 128:192] = True
# Squares of 8 px: too fine to be left by the blurring.
CHECKED = 2.0 * (np.add.outer(np.arange(SIDE) // 8, np.arange(SIDE) // 8) % 2) - 1
KINDS = {name: kind for name, (_, kind, _) in VARIANTS.items()}
REMOVED = [name for name, kind in KINDS.items() if kind == "lungs_removed"]


def film(ill, seed=0):
    """Its lungs hold the squares when ill, else their negative; its corner is bright when ill."""
    grey = np.random.default_rng(seed).normal(100, 10, (SIDE, SIDE))
    grey += np.where(LUNGS, CHECKED if ill else -CHECKED, 0) * 40
    grey[:24, :24] += 60 if ill else 0
    return np.clip(grey, 0, 255).astype(np.uint8)


LABELS = np.tile([0, 1], 10)  # more than one batch
FILMS = [film(label) for label in LABELS]
MASKS = np.repeat(LUNGS[None], len(LABELS), axis=0)
PATIENTS = [f"person{i // 2}" for i in range(len(LABELS))]


def looks_at_the_lungs(values):
    logits = (values[..., 0] * CHECKED)[:, LUNGS].mean(axis=1)
    return logits.round(2), np.repeat(LUNGS[None].astype(np.float32), len(values), axis=0)


def looks_at_the_corner(values):
    evidence = np.zeros((len(values), 28, 28), np.float32)
    evidence[:, 0, 0] = 1
    return values[:, :20, :20, 0].mean(axis=(1, 2)).round(1), evidence


def sees(evidence, logit=3.0):
    """A network that calls everything pneumonia and shows this map (h, w)."""
    return lambda values: (np.full(len(values), logit), np.repeat(evidence[None], len(values), 0))


def measured(read, greys=FILMS, masks=MASKS, labels=LABELS, patients=PATIENTS, threshold=0.5):
    told = measure(
        read, greys, masks, labels, patients,
        input_px=SIDE, temperature=1.0, threshold=threshold,
    )  # fmt: skip
    return json.loads(json.dumps(told, allow_nan=False))  # as it is written and read


def aurocs(told):
    return {variant["name"]: variant["auroc"]["value"] for variant in told["variants"]}


# --- AUROC ----------------------------------------------------------------------------------------


def test_a_network_that_looks_at_the_lungs_needs_nothing_else():
    told = measured(looks_at_the_lungs)
    expected = {name: 0.5 if kind == "lungs_removed" else 1 for name, kind in KINDS.items()}
    assert aurocs(told) == expected
    assert told["num_xrays"] == 20
    assert told["num_without_lungs"] == 0
    assert headline(told) == {
        "lungs_only_auroc": 1,
        "lungs_removed_auroc": 0.5,
        "heat_in_lungs_ratio": pytest.approx(1 / LUNGS.mean()),
    }


def test_a_network_that_looks_at_one_corner_does_not_need_the_lungs():
    told = measured(looks_at_the_corner)
    expected = {name: 0.5 if kind == "lungs_only" else 1 for name, kind in KINDS.items()}
    assert aurocs(told) == expected
    assert headline(told) == {
        "lungs_only_auroc": 0.5,
        "lungs_removed_auroc": 1,
        "heat_in_lungs_ratio": 0,
    }


def test_the_worst_variant_without_lungs_counts_and_the_first_with_lungs_only():
    def reads_black_holes(values):
        """Tells where a lung is black or what surrounds it is, and guesses elsewhere."""
        inside, outside = values[:, LUNGS].mean(axis=(1, 2)), values[:, 200:].mean(axis=(1, 2, 3))
        logits, _ = looks_at_the_lungs(values)
        at_corner, evidence = looks_at_the_corner(values)
        return np.where(inside < outside - 1, at_corner, logits * (outside > -0.5)), evidence

    told = measured(reads_black_holes)
    assert aurocs(told) == {
        "as_is": 1,
        "lungs_only_grey": 1,
        "lungs_only_black": 0.5,
        "lungs_black": 1,
        "lungs_grey": 0.5,
        "lungs_blurred": 0.5,
        "lungs_inpainted": 0.5,
    }
    assert told["lungs_only_auroc"] == 1
    assert told["lungs_removed_auroc"] == 1


def test_one_class_alone_has_no_auroc():
    told = measured(looks_at_the_lungs, labels=np.ones(20, int))
    assert set(aurocs(told).values()) == {None}
    assert told["lungs_only_auroc"] is told["lungs_removed_auroc"] is None


def test_the_page_reads_what_is_measured():
    told = Shortcuts.from_json(measured(looks_at_the_corner) | {"description": "test split"})
    assert [variant.name for variant in told.variants] == list(VARIANTS)
    assert told.only.name == "lungs_only_grey"
    assert (told.only.auroc.value, told.removed.auroc.value) == (0.5, 1)
    assert told.heat.ratio.value == 0
    cold = measured(sees(np.zeros((7, 7)))) | {"description": "test split"}
    assert Shortcuts.from_json(cold).heat is None


# --- the variants ---------------------------------------------------------------------------------


def changed(name, grey, lungs=LUNGS):
    return VARIANTS[name][2](grey, lungs)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind == "lungs_only"])
def test_nothing_beside_the_lungs_can_tell(name):
    one, other = film(True, seed=1), film(False, seed=2)
    other[LUNGS] = one[LUNGS]
    assert (changed(name, one) == changed(name, other)).all()
    assert (changed(name, one)[LUNGS] == one[LUNGS]).all()
    assert np.ptp(changed(name, one)[~LUNGS]) == 0


@pytest.mark.parametrize("name", [name for name in REMOVED if name != "lungs_blurred"])
def test_nothing_in_the_lungs_can_tell(name):
    one, other = film(True, seed=1), film(False, seed=2)
    other[~LUNGS] = one[~LUNGS]
    assert (changed(name, one) == changed(name, other)).all()
    assert (changed(name, one)[~LUNGS] == one[~LUNGS]).all()


def test_blurred_lungs_keep_a_haze_but_no_texture():
    ill, well = film(True), film(False)
    ill[~LUNGS] = well[~LUNGS]
    difference = changed("lungs_blurred", ill).astype(int) - changed("lungs_blurred", well)
    assert np.abs(difference).max() <= 2  # of 80
    assert (changed("lungs_blurred", ill)[~LUNGS] == ill[~LUNGS]).all()
    bright = np.where(LUNGS, 200, 100).astype(np.uint8)
    assert changed("lungs_blurred", bright)[108, 64] > 150


def test_black_is_black_and_grey_is_the_mean_of_what_is_left():
    grey = np.where(LUNGS, 40, 120).astype(np.uint8)
    assert set(changed("lungs_black", grey)[LUNGS].tolist()) == {0}
    assert set(changed("lungs_grey", grey)[LUNGS].tolist()) == {120}
    assert set(changed("lungs_only_grey", grey)[~LUNGS].tolist()) == {40}
    assert set(changed("lungs_only_black", grey)[~LUNGS].tolist()) == {0}


def test_masks_are_widened_by_a_margin_with_a_hard_edge():
    wide = widened(LUNGS)
    assert wide.dtype == bool
    assert wide[108].nonzero()[0].tolist() == [
        *range(32 - MARGIN_PX, 96 + MARGIN_PX),
        *range(128 - MARGIN_PX, 192 + MARGIN_PX),
    ]
    seen = []

    def note(values):
        seen.append(values[:, 108, :, 0])
        return np.zeros(len(values)), np.ones((len(values), 7, 7))

    measured(note)
    edges = slice(32 - MARGIN_PX, 96 + MARGIN_PX)
    flat = [bool((np.ptp(rows[:, edges], axis=1) == 0).all()) for rows in seen]
    by_name = dict(zip(VARIANTS, flat, strict=False))
    assert [name for name, is_flat in by_name.items() if is_flat] == ["lungs_black", "lungs_grey"]


# --- heat -----------------------------------------------------------------------------------------


def test_all_heat_in_the_lungs():
    heat = measured(looks_at_the_lungs)["heat"]
    assert heat["num_xrays"] == 10  # those called pneumonia
    assert heat["shares"] == [1] * 10
    assert heat["share"] == {"value": 1, "low": 1, "high": 1}
    assert heat["area"] == pytest.approx(LUNGS.mean())
    assert heat["areas"] == pytest.approx([LUNGS.mean()] * 10, abs=1e-4)
    assert heat["ratio"]["value"] == pytest.approx(1 / LUNGS.mean())


@pytest.mark.parametrize("side", [7, 28])
def test_heat_that_is_everywhere_is_in_the_lungs_by_their_area(side):
    heat = measured(sees(np.full((side, side), 0.2)))["heat"]
    assert heat["num_xrays"] == 20
    assert heat["share"]["value"] == pytest.approx(LUNGS.mean())
    assert heat["ratio"]["value"] == pytest.approx(1)


def test_half_of_the_heat_in_the_lungs():
    half = np.where(LUNGS, 1 / LUNGS.sum(), 1 / (~LUNGS).sum())
    heat = measured(sees(half))["heat"]
    assert heat["share"]["value"] == pytest.approx(0.5, abs=1e-4)
    assert heat["ratio"]["value"] == pytest.approx(0.5 / LUNGS.mean(), abs=1e-3)


def test_the_ratio_is_of_the_means_and_its_interval_draws_patients():
    """Small lungs with all of the heat and large ones with even heat: neither counts double."""
    large = np.zeros_like(LUNGS)
    large[:, :112] = True
    small = np.zeros_like(LUNGS)
    small[:, :56] = True
    masks = np.array([small, large] * 10)
    evidence = np.repeat(np.stack([small, np.ones_like(small)])[None], 10, 0).reshape(20, SIDE, -1)
    calls = iter(range(1000))

    def read(values):  # the whole films come first in each round of variants
        start = next(calls) // len(VARIANTS) * 16
        return np.full(len(values), 3.0), evidence[start : start + len(values)].astype(np.float32)

    heat = measured(read, masks=masks, patients=["a", "b"] * 10)["heat"]
    assert heat["share"]["value"] == pytest.approx((1 + 0.5) / 2)
    assert heat["area"] == pytest.approx((0.25 + 0.5) / 2)
    # Two patients: both, or one of them twice.
    ratio = {"value": pytest.approx(2), "low": pytest.approx(1), "high": pytest.approx(4)}
    assert heat["ratio"] == ratio
    assert heat["share"]["low"] == pytest.approx(0.5)
    assert heat["share"]["high"] == pytest.approx(1)


@pytest.mark.parametrize("evidence", [np.zeros((7, 7)), np.full((7, 7), -1.0)])
def test_without_heat_the_figures_are_unknown_and_nothing_breaks(evidence):
    told = measured(sees(evidence))
    unknown = {"value": None, "low": 0, "high": 1}
    assert told["heat"] == {
        "num_xrays": 0,
        "share": unknown,
        "area": None,
        "ratio": unknown,
        "shares": [],
        "areas": [],
    }
    assert headline(told)["heat_in_lungs_ratio"] is None
    assert told["lungs_only_auroc"] == 0.5  # they are read all the same


def test_only_films_called_pneumonia_show_heat():
    even = np.ones((7, 7))
    assert measured(sees(even, logit=-1))["heat"]["num_xrays"] == 0
    assert measured(sees(even, logit=-1), threshold=0.2)["heat"]["num_xrays"] == 20


# --- no lungs -------------------------------------------------------------------------------------


def test_films_without_lungs_are_left_out_and_counted():
    masks = MASKS.copy()
    masks[:6] = False
    greys = [np.full((SIDE, SIDE), 255, np.uint8)] * 6 + FILMS[6:]  # which would be read wrong
    told = measured(looks_at_the_lungs, greys=greys, masks=masks)
    assert told["num_xrays"] == 14
    assert told["num_without_lungs"] == 6
    assert told["lungs_only_auroc"] == 1
    assert told["heat"]["num_xrays"] == 7


def test_nothing_is_known_where_no_film_has_lungs():
    told = measured(lambda values: pytest.fail("read"), masks=np.zeros_like(MASKS))
    assert (told["num_xrays"], told["num_without_lungs"]) == (0, 20)
    assert set(headline(told).values()) == {None}
    assert set(aurocs(told)) == set(VARIANTS)
