"""How far the figures of a training scatter, and how a page says it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from model.versions import repeats
from tests.model.version_cases import write_version


def repeated(folder: Path, *told: tuple[int, int, float], init: str = "scratch") -> Path:
    """A version whose card has these runs: fold, seed, AUROC."""
    names = ("fold", "seed", "validation_auroc")
    runs = [dict(zip(names, run, strict=True)) for run in told]
    return write_version(folder, training={"repeats": runs, "recipe": {"init": init}}).folder


def page(folder: str) -> None:
    from pathlib import Path

    from model.bundle import open_bundle
    from pages.shared.manage import repeats

    repeats.draw(open_bundle(Path(folder)))


def said(folder: Path) -> list[str]:
    shown = AppTest.from_function(page, args=(str(folder),)).run()
    assert not shown.exception
    return [caption.value for caption in shown.caption]


def test_folds_and_seeds_are_told_apart(tmp_path: Path):
    folder = repeated(
        tmp_path, (0, 7, 0.98), (0, 8, 0.99), (1, 7, 0.94), (2, 7, 0.96)
    )  # fmt: skip
    [line] = said(folder)
    assert "training's validation: 0.990;" in line
    assert "over 3 folds 0.960 ± 0.020 (0.940 to 0.980)" in line
    assert "over 2 seeds 0.985 ± 0.007 (0.980 to 0.990)" in line
    assert "not by the locked test set" in line


def test_a_cross_validation_alone_chooses_nothing(tmp_path: Path):
    [line] = said(repeated(tmp_path, (0, 7, 0.98), (1, 7, 0.94), (2, 7, 0.96)))
    assert "seeds" not in line


def test_folds_that_began_with_weights_that_knew_their_children_are_not_told_of(tmp_path: Path):
    runs = [(0, 7, 0.98), (0, 8, 0.99), (1, 7, 0.99), (2, 7, 0.99)]
    [line] = said(repeated(tmp_path, *runs, init="champion"))
    assert "folds" not in line
    assert "over 2 seeds" in line


def test_a_version_of_a_single_run_says_nothing(tmp_path: Path):
    bundle = write_version(tmp_path)
    assert repeats.of(bundle) is None
    assert said(bundle.folder) == []


def test_the_deviation_is_that_of_a_sample(tmp_path: Path):
    from model.bundle import open_bundle

    found = repeats.of(open_bundle(repeated(tmp_path, (0, 1, 0.8), (0, 2, 0.9))))
    assert found
    assert found.seeds
    assert found.seeds.deviation == pytest.approx(0.0707, abs=1e-4)
    assert found.folds is None
