"""Where a made-up version looks and what it refuses: files, values, and what is said of them."""

import math

import numpy as np
import pytest

from model import looks_said, performance
from model.metrics import wilson
from model.performance import GATE, HEATMAPS, SHORTCUTS
from tests.model import version_cases as versions

READERS = {
    SHORTCUTS: performance.shortcuts,
    HEATMAPS: performance.heatmaps,
    GATE: performance.gate,
}
WRITERS = {
    SHORTCUTS: versions.write_shortcuts,
    HEATMAPS: versions.write_heatmaps,
    GATE: versions.write_gate,
}


@pytest.fixture
def full(tmp_path):
    bundle = versions.write_version(tmp_path / "bundle")
    for write in WRITERS.values():
        write(bundle)
    return bundle


# The files


def test_shortcuts_name_the_first_lungs_only_and_the_worst_without_lungs(full):
    found = performance.shortcuts(full)
    assert (found.whole.title, found.only.name) == ("As it is", "lungs_only_grey")
    assert (found.removed.title, found.removed.auroc.value) == ("Lungs blurred", 0.71)
    assert found.num_xrays == 60
    assert found.heat.ratio.value == 2.1
    assert found.heat.shares.shape == found.heat.areas.shape == (8,)


def test_an_auroc_that_is_not_known_is_never_the_worst(full):
    path = full.folder / SHORTCUTS
    variants = versions.read_json(path)["variants"]
    variants[-1]["auroc"] = {"value": None, "low": 0.0, "high": 1.0}
    versions.change_json(path, variants=variants)
    found = performance.shortcuts(full)
    assert math.isnan(found.variants[-1].auroc.value)
    assert found.removed.title == "Lungs black"


def test_without_heat_the_rest_is_still_read(full):
    versions.write_shortcuts(full, heat={"num_xrays": 0, "area": None, "shares": [], "areas": []})
    found = performance.shortcuts(full)
    assert found.heat is None
    assert "no heat is counted" in looks_said.lungs(found)[-1]


def test_heatmaps_have_curves_controls_and_checks(full):
    found = performance.heatmaps(full)
    [offered] = found.offered
    assert offered.title == "Grad-CAM"
    assert [test.name for test in offered.against] == ["random", "gaussian"]
    assert found.control("random").deletion.auc.value == 0.5
    assert len(found.fractions) == len(offered.insertion.curve) == 21
    assert np.trapezoid(offered.deletion.curve, found.fractions) == pytest.approx(0.19, abs=0.01)
    assert found.randomisation.layers[0] == "logit"
    assert [sample.centre for sample in found.samples][-1] is None


def test_each_group_of_the_gate_has_its_shares(full):
    versions.write_gate(full, lost=3, passed=8)
    found = performance.gate(full)
    split, turned, noise = found.groups
    assert (split.is_chest, split.refused) == (True, wilson(3, 60))
    assert turned.unusual == wilson(1, 60)
    assert noise.accepted == wilson(8, 40)
    assert found.no_chests == wilson(59 + 32, 100)
    assert len(found.edges) == len(found.split) + 1 == len(found.others) + 1


@pytest.mark.parametrize("file", READERS)
def test_a_file_that_is_not_there_is_said(full, file):
    assert performance.why_missing(full, file) == ""
    (full.folder / file).unlink()
    assert READERS[file](full) is None
    assert f"without {file}" in performance.why_missing(full, file)
    assert "python -m model evaluate --keep" in performance.why_missing(full, file)


@pytest.mark.parametrize("file", READERS)
def test_a_file_of_another_version_or_split_is_not_shown(full, file):
    for change, said in (
        ({"model_version": "vgg16-other"}, "another version, vgg16-other"),
        ({"split": "val"}, "another split, val"),
    ):
        WRITERS[file](full, **change)
        assert READERS[file](full) is None
        assert said in performance.why_missing(full, file)


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize("text", ["", "[1]", '{"format": 2}', '{"format": 1}'])
def test_a_file_that_is_no_such_file_is_damaged(full, file, text):
    (full.folder / file).write_text(text)
    assert READERS[file](full) is None
    assert "damaged" in performance.why_missing(full, file)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (SHORTCUTS, {"variants": []}),
        (SHORTCUTS, {"variants": [{"name": "as_is"}]}),
        (SHORTCUTS, {"heat": {"num_xrays": 2, "shares": [0.1, 0.2], "areas": [0.1]}}),
        (HEATMAPS, {"fractions": [0, 1]}),
        (HEATMAPS, {"fractions": [[0], [1]]}),
        (HEATMAPS, {"maps": []}),
        (HEATMAPS, {"maps": 3}),
        (HEATMAPS, {"randomisation": {"layers": ["a"], "similarity": []}}),
        (HEATMAPS, {"samples": [{"name": "a"}]}),
        (GATE, {"groups": []}),
        (GATE, {"groups": [{"title": "a", "is_chest": True, "num_images": 2, "accepted": 3,
                            "unusual": 0, "refused": 0}]}),
        (GATE, {"histogram": {"edges": [0, 1], "split": [1, 2], "others": [1]}}),
        (GATE, {"histogram": {"edges": [0], "split": [], "others": []}}),
        (GATE, {"unusual_from": None}),
    ],
)  # fmt: skip
def test_a_garbled_file_gives_nothing(full, file, damage):
    WRITERS[file](full, **damage)
    assert READERS[file](full) is None
    assert "damaged" in performance.why_missing(full, file)


def test_a_map_tested_against_no_control_of_the_file_is_damage(full):
    path = full.folder / HEATMAPS
    versions.change_json(path, maps=versions.read_json(path)["maps"][:1])
    assert performance.heatmaps(full) is None


# What they mean


@pytest.mark.parametrize(
    ("only", "removed", "said"),
    [
        (0.97, 0.85, "It reads the lungs: with the lungs taken away AUROC falls to 0.850 (0.840 to "
                     "0.860), with nothing but the lungs to see it stays at 0.970 (0.960 to "),
        (0.9, 0.7, "It needs the lungs, but not the lungs alone"),
        (0.98, 0.94, "The lungs are enough for it, but it can do without them: with the lungs "
                     "taken away AUROC is still 0.940"),
        (0.9, 0.94, "It goes much by what is outside the lungs"),
    ],
)  # fmt: skip
def test_the_lungs_are_judged_by_what_is_left_with_and_without_them(full, only, removed, said):
    versions.write_shortcuts(full, only=only, removed=removed)
    sentences = looks_said.lungs(performance.shortcuts(full))
    assert sentences[0].startswith(said)
    assert "“Lungs blurred”" in sentences[1]
    assert ("something outside the lungs" in sentences[1]) == (removed > 0.85)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (2.1, "2.1 times the heat of chance (95 % interval 2.0 to 2.2), as wanted"),
        (1.5, "less than the 1.8 wanted"),
        (1.0, "no more than chance would put there"),
        (0.7, "less than chance would put there"),
    ],
)
def test_the_heat_is_judged_by_its_interval(full, ratio, said):
    versions.write_shortcuts(full, ratio=ratio)
    assert said in looks_said.lungs(performance.shortcuts(full))[-1]


def test_one_label_alone_leaves_the_auroc_unknown(full):
    path = full.folder / SHORTCUTS
    unknown = [v | {"auroc": None} for v in versions.read_json(path)["variants"]]
    versions.change_json(path, variants=unknown)
    assert "AUROC is unknown" in looks_said.lungs(performance.shortcuts(full))[0]


def test_a_map_is_believed_only_if_it_beats_both_controls_and_not_by_chance(full):
    for changes, said in (
        ({}, "Grad-CAM marks what decides, better than “Random map” and “Centred Gaussian”."),
        ({"deletion": 0.45}, "Grad-CAM is not shown to be better than “Centred Gaussian”."),
        ({"p": 0.001}, "is not shown to be better than “Random map” and “Centred Gaussian”."),
    ):
        versions.write_heatmaps(full, **changes)
        assert said in looks_said.heatmaps(performance.heatmaps(full))[0]


def test_random_layers_and_samples_are_told(full):
    _, figures, layers, samples = looks_said.heatmaps(performance.heatmaps(full))
    assert "0.200 as the hottest places are blurred first (lower is better)" in figures
    assert layers.startswith("The map is lost as all layers are made random")
    assert "is then 0.10, below the 0.35" in layers
    assert samples.startswith("On 2 of 3")
    versions.write_heatmaps(full, passes=False)
    layers = looks_said.heatmaps(performance.heatmaps(full))[2]
    assert layers.startswith("The map is not lost")
    assert "is then 0.70, not below the 0.35" in layers
    versions.write_heatmaps(full, randomisation=None, samples=[])
    assert len(looks_said.heatmaps(performance.heatmaps(full))) == 2


@pytest.mark.parametrize(
    ("lost", "passed", "said"),
    [
        (0, 0, "It reads what it should and refuses the rest: of the 60 X-rays of the split 0 are "
               "refused and 0 are called unusual; of 100 images that are no frontal chest X-ray "
               "99 are refused (99 %)."),
        (0, 1, "It reads what it should, but also some images that it should refuse"),
        (1, 0, "It refuses other images, but also doubts X-rays that it should read: of the 60 "
               "X-rays of the split 1 is refused"),
        (5, 9, "It doubts X-rays that it should read and reads images that it should refuse"),
    ],
)  # fmt: skip
def test_the_gate_is_judged_by_what_it_loses_and_what_it_lets_pass(full, lost, passed, said):
    versions.write_gate(full, lost=lost, passed=passed)
    sentences = looks_said.gate(performance.gate(full))
    assert sentences[0].startswith(said)
    worst = f"“Noise”: {40 - passed} of 40" if passed else "“Turned by 90 degrees”: 59 of 60"
    assert sentences[1] == f"It is weakest on {worst} are refused."


def test_a_gate_that_was_shown_nothing_else_is_judged_by_the_split_alone(full):
    path = full.folder / GATE
    versions.change_json(path, groups=versions.read_json(path)["groups"][:1])
    [said] = looks_said.gate(performance.gate(full))
    assert said.startswith("It reads the X-rays it should read: of the 60 X-rays")
