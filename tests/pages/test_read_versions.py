"""Read an X-ray: with the version that is served, and no verdict without a sound one."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model import config
from model.bundle import CARD, open_bundle, read_card, write_card
from model.versions import champion
from pages.shared import services
from tests.pages.read_cases import Read


def _forget() -> None:
    config.settings.cache_clear()


@pytest.fixture
def copied_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the bundle that is served until the test ends; to be spoilt."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    bundle = services.bundle()
    for file in bundle.folder.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    monkeypatch.setenv("XRAY_BUNDLE", str(folder))
    _forget()
    yield folder
    monkeypatch.undo()
    _forget()


def test_weights_with_one_wrong_bit_give_no_verdict(copied_bundle: Path) -> None:
    weights = (
        copied_bundle / json.loads((copied_bundle / "bundle.json").read_text())["weights"]["file"]
    )
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    page = Read().sample("pneumonia-1.jpg")
    [sentence] = page.errors
    assert "SHA-256" in sentence
    assert "gives no verdict" in sentence
    assert str(copied_bundle) not in sentence
    assert page.verdict == ""
    assert page.probability == ""
    assert page.film["heats"] == []


def test_without_a_bundle_the_film_is_shown_and_no_verdict(copied_bundle: Path) -> None:
    (copied_bundle / "bundle.json").unlink()
    page = Read().sample("normal-1.jpg")
    [sentence] = page.errors
    assert "bundle.json" in sentence
    assert page.verdict == ""
    assert page.film["film_id"]


@pytest.fixture
def promote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, float], None]]:
    """promote(name, shift): the shipped version by another name, its thresholds `shift` higher."""
    monkeypatch.setenv("XRAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    _forget()

    def serve(name: str, shift: float) -> None:
        folder = tmp_path / name
        shutil.copytree(champion.SHIPPED, folder)
        old = read_card(folder / CARD)
        points = [replace(p, threshold=p.threshold + shift) for p in old.operating_points]
        write_card(replace(old, model_version=name, operating_points=tuple(points)))
        copy = open_bundle(champion.materialise(folder))
        champion.switch(copy, "zoe", "2026-11-21T10:00:00.000000Z", "")

    yield serve
    monkeypatch.undo()
    _forget()


def test_every_session_reads_its_next_film_with_the_version_that_was_promoted(
    promote: Callable[[str, float], None],
) -> None:
    named, typed = Read().sample("pneumonia-1.jpg"), Read().sample("pneumonia-1.jpg")
    named.at.button(key="read.point.screening").click().run()
    typed.slide(0.42)
    old = services.bundle()
    before = named.thresholds

    promote("vgg16-promoted", 0.01)
    named.at.run()  # the film on the screen stays with the version that has read it
    assert named.thresholds == before
    assert f"model {old.model_version}" in named.facts
    assert "Another version is served by now" in named.at.info[0].value

    for page in (named, typed):
        page.sample("normal-1.jpg")
        assert page.errors == []
        assert "model vgg16-promoted" in page.facts
        assert not page.at.info
    new = services.bundle()
    assert new.model_version == "vgg16-promoted"
    screening = old.operating_point("screening").threshold + 0.01
    assert named.thresholds[:2] == pytest.approx((screening, screening))
    assert named.at.button(key="read.point.screening").proto.type == "primary"
    assert typed.thresholds == (0.42, 0.42, "0.42")

    named.choose("pneumonia-1.jpg")  # back to the film of before, with its own number
    assert named.thresholds == before
    named.at.button(key="read.again").click().run()
    assert "model vgg16-promoted" in named.facts
    assert named.thresholds[:2] == pytest.approx((screening, screening))


def test_a_champion_that_does_not_check_gives_no_verdict_until_another_is_served(
    promote: Callable[[str, float], None], tmp_path: Path
) -> None:
    promote("vgg16-promoted", 0.0)
    file = champion.served() / CARD
    file.write_text(file.read_text().replace('"temperature": ', '"temperature": 1'))
    page = Read().sample("pneumonia-1.jpg")
    assert page.verdict == ""
    [sentence] = page.errors
    assert "as it was promoted" in sentence
    assert str(tmp_path) not in sentence

    (tmp_path / "home" / "champion.json").write_text("{")
    page.sample("normal-1.jpg")
    assert page.verdict == ""
    assert "which version is served" in page.errors[0]

    (tmp_path / "home" / "champion.json").unlink()
    page.at.run()
    assert page.errors == []
    assert page.verdict
