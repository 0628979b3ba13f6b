"""The page Admin, tab Versions: two versions side by side, promote, roll back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model import store
from model.bundle import Bundle
from model.config import settings
from model.errors import InputError, StoreError
from model.people.access import Actor
from model.prediction import Gate, Prediction
from model.versions import champion, registered, registry
from model.versions.registered import Version
from pages.shared import services, version_services
from tests.model import version_cases as versions
from tests.pages.admin_page import Tab

OLD, NEW = "vgg16-20200102-0123abcd", "vgg16-20200304-4567cdef"
HOSTILE = "<img src=x onerror=alert(1)> *Bo*"


class Registry:
    """Stands for MLflow behind `model.versions.registry`; remembers what was asked for."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders, self.served_before = folders, {OLD}
        self.found = [Version(1, OLD, ("champion",), "2026-11-21T08:00:00", note="shipped")]
        self.down, self.asked = "", []  # type: ignore[var-annotated]

    def add(self, number: int, name: str, *aliases: str) -> None:
        self.found.append(Version(number, name, aliases, "2026-11-21T09:00:00", job_id="ab12cd34"))

    def versions(self) -> list[Version]:
        if self.down:
            raise StoreError("an answer of MLflow", self.down, "Readings go on.")
        return self.found

    def bundle_of(self, name: str) -> Path:
        return self.folders[name]

    def was_served(self, name: str) -> bool:
        return name in self.served_before

    def promote(self, actor: Actor, name: str, expected: str, reason: str = "") -> None:
        self.asked.append(("promote", actor.name, name, expected, reason))
        if self.down:
            raise InputError(f"that {expected} is still served", self.down, "Load the page anew.")

    def rollback(self, actor: Actor, name: str, expected: str, reason: str = "") -> None:
        self.asked.append(("rollback", actor.name, name, expected, reason))


class Heated:
    """Stands for the classifier of a version; only OLD finds evidence."""

    def __init__(self, name: str) -> None:
        self.heat = np.full((7, 7), float(name == OLD), np.float32)

    def predict(self, xrays: list[Any], overruled: bool = False) -> list[Prediction]:
        gate = Gate("accepted", 0.0, "Like the others.")
        return [Prediction(0.5, 0.0, self.heat, gate, "any") for _ in xrays]


def better(bundle: Bundle, by: float) -> dict[str, Any]:
    """The evaluations of a version whose logits lie this much further apart."""
    test = bundle.evaluations["test"]
    logits = (test.logits + by * (test.labels - 0.5)).astype(np.float32)
    return {**bundle.evaluations, "test": replace(test, logits=logits)}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """OLD is served by a server without films; the registry knows it alone."""
    monkeypatch.setenv("XRAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    monkeypatch.delenv("XRAY_DATA", raising=False)
    settings.cache_clear()
    clear()
    monkeypatch.setattr(champion, "SHIPPED", tmp_path / OLD)
    versions.write_version(tmp_path / OLD, model_version=OLD)
    stands = Registry({OLD: tmp_path / OLD})
    for name in ("versions", "bundle_of", "was_served", "promote", "rollback"):
        monkeypatch.setattr(registry, name, getattr(stands, name))
    yield stands
    store.close()
    monkeypatch.undo()
    settings.cache_clear()
    clear()


def clear() -> None:
    for cached in ("bundle_of", "comparison", "_challenger", "heated"):
        getattr(version_services, cached).clear()
    services._opened.clear()


@pytest.fixture
def train(fake: Registry, tmp_path: Path) -> Callable[..., Bundle]:
    """train(by, number=2, name=NEW) -> a version that is better by so much, the challenger."""

    def made(by: float = 1.0, number: int = 2, name: str = NEW, **changes: Any) -> Bundle:
        old = registry.read_card(tmp_path / OLD / "bundle.json")
        changed = {"evaluations": better(old, by), "model_version": name, **changes}
        fake.folders[name] = tmp_path / name
        fake.add(number, name, "challenger")
        return versions.write_version(tmp_path / name, **changed)

    return made


def tab() -> Tab:
    return Tab("Versions")


def test_alone_the_served_version_says_what_to_do(fake: Registry) -> None:
    shown = tab()
    assert f"Champion: this version is served **Version 1** · {OLD}" in shown.text
    assert "train one on the tab Retrain" in shown.text
    assert "Promote this version" not in [button.label for button in shown.at.button]


def test_both_stand_side_by_side_with_their_differences(train: Callable[..., Bundle]) -> None:
    train(by=1.5)
    shown = tab()
    assert f"Challenger **Version 2** · {NEW}" in shown.text
    found = version_services.comparison(OLD, NEW)
    assert found.sensitivity
    change = 100 * found.sensitivity.difference.value
    assert f"{change:+.1f} points" in shown.text
    assert f"Films on which they differ: {len(found.differing)}" in shown.text
    assert found.differing[0].file in shown.text
    assert len(shown.at.get("vega_lite_chart")) == 3
    assert "start the app with XRAY_DATA" in shown.text
    assert f"by name and label only, for {OLD} keeps no fingerprints" in shown.text


def test_promotion_shows_the_differences_first(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    train(by=1.5)
    shown = tab().press("Promote this version")
    assert fake.asked == []
    assert f"{OLD} → **{NEW}**" in shown.text
    assert "Sensitivity: " in shown.text
    assert "Type why" not in shown.text
    shown.press("Serve this version from now on")
    assert fake.asked == [("promote", "zoe", NEW, OLD, "")]
    assert f"{NEW} is served now" in shown.text


def test_a_worse_one_wants_a_reason(fake: Registry, train: Callable[..., Bundle]) -> None:
    train(by=-2.0)
    shown = tab().press("Promote this version")
    assert "Type why it is to be served all the same" in shown.text
    shown.at.text_input(key="admin.confirm.reason").set_value("the only one that sees infants")
    shown.press("Serve this version from now on")
    assert fake.asked == [("promote", "zoe", NEW, OLD, "the only one that sees infants")]


def test_a_refusal_is_said(fake: Registry, train: Callable[..., Bundle]) -> None:
    train()
    shown = tab().press("Promote this version")
    fake.down = "somebody else was faster"
    shown.press("Serve this version from now on")
    assert "somebody else was faster" in shown.text


def test_one_with_another_test_set_cannot_be_promoted(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    train(evaluations={"test": versions.evaluation("another", 9, num_images=20)})
    shown = tab()
    assert "It cannot be promoted" in shown.text
    assert shown.button("Promote this version").disabled
    fake.served_before.add(NEW)  # to go back needs no comparison
    shown.at.run()
    assert "The two cannot be compared" in shown.text
    assert not shown.button("Roll back to this version").disabled


def test_to_a_version_that_was_served_one_rolls_back(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    train()
    fake.served_before.add(NEW)
    shown = tab()
    assert f"Served before **Version 2** · {NEW}" in shown.text
    assert '<th scope="col">Served before</th>' in shown.html  # in the table of figures
    assert "Challenger" not in shown.text.replace("(challenger)", "")
    assert "Calibration: Served before" in shown.text
    shown.press("Roll back to this version").press("Serve this version from now on")
    assert fake.asked == [("rollback", "zoe", NEW, OLD, "")]
    assert "is served now" in shown.text


def test_films_on_which_they_differ_are_shown_with_both_heatmaps(
    train: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(by=1.5)
    first = version_services.comparison(OLD, NEW).differing[0]
    film = tmp_path / "data" / "test" / ("PNEUMONIA" if first.label else "NORMAL") / first.file
    film.parent.mkdir(parents=True)
    film.write_bytes(cv2.imencode(".jpg", np.full((80, 96), 90, np.uint8))[1].tobytes())
    monkeypatch.setenv("XRAY_DATA", str(tmp_path / "data"))
    settings.cache_clear()
    monkeypatch.setattr(version_services, "_classifier", Heated)
    shown = tab()
    shown.at.toggle(key="admin.versions.films").set_value(True).run()
    captions = [image.caption for block in shown.at.get("image") for image in block.proto.imgs]
    assert captions == [
        f"Champion: {first.champion:.3f}",
        f"Challenger: {first.challenger:.3f}, no evidence for pneumonia to show",
    ]


def test_of_several_one_is_chosen(train: Callable[..., Bundle]) -> None:
    train(by=1.0)
    train(by=2.0, number=3, name="vgg16-third")
    shown = tab()
    shown.at.selectbox(key="admin.version").set_value(NEW).run()
    assert f"Challenger **Version 2** · {NEW}" in shown.text


def test_what_was_never_served_is_newer_or_earlier_and_is_promoted(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    train()
    fake.found[1] = replace(fake.found[1], aliases=())
    assert f"Newer version **Version 2** · {NEW}" in tab().text
    fake.found = [replace(fake.found[1], number=1), replace(fake.found[0], number=2)]
    shown = tab()
    assert f"Earlier version **Version 1** · {NEW}" in shown.text
    assert not shown.button("Promote this version").disabled


def test_the_served_version_stands_there_before_the_registry_answers(
    fake: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies() -> list[Version]:
        raise RuntimeError("as if it took for ever")

    monkeypatch.setattr(registry, "versions", dies)
    shown = tab().at
    assert "Champion: this version is served" in [caption.value for caption in shown.caption]
    assert "**Version** · vgg16" in shown.markdown[-1].value
    assert shown.exception


def test_without_mlflow_the_served_version_and_the_way_back_are_there(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    new = train()
    champion.switch(
        replace(new, folder=champion.materialise(new.folder)), "zoe", "2026-11-21T10:00:00", OLD
    )
    fake.down = "none that can be used"
    shown = tab()
    assert "The registry of the versions does not answer" in shown.text
    assert f"**Version** · {NEW} since 2026-11-21 10:00:00 UTC, by zoe" in shown.text
    shown.press("Roll back to this version").press("Serve this version from now on")
    assert fake.asked == [("rollback", "zoe", OLD, NEW, "")]


def serve_two(train: Callable[..., Bundle]) -> None:
    """NEW after OLD, then vgg16-third after NEW."""
    third = train(name="vgg16-third")
    for bundle, before in ((train(), OLD), (third, NEW)):
        copy = champion.materialise(bundle.folder)
        champion.switch(replace(bundle, folder=copy), "zoe", "2026-11-21T10:00:00", before)


def test_without_mlflow_a_damaged_shipped_version_hides_no_other(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    serve_two(train)
    fake.served_before.add(NEW)
    fake.down = "none that can be used"
    for file in ("model.keras", "bundle.json"):
        (champion.SHIPPED / file).write_text("{")
        shown = tab()
        assert "The shipped version cannot be gone back to: its files" in shown.text
        assert f"Served before **Version** · {NEW}" in shown.text
    shown.press("Roll back to this version").press("Serve this version from now on")
    assert fake.asked == [("rollback", "zoe", NEW, "vgg16-third", "")]


def test_without_mlflow_a_damaged_version_before_is_said(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    serve_two(train)
    (champion.folder_of(NEW) / "model.keras").write_bytes(b"changed")
    fake.down = "none that can be used"
    shown = tab()
    assert f"{NEW} cannot be gone back to: its files here are missing or damaged." in shown.text
    assert f"Served before **Version** · {OLD}" in shown.text


def test_a_damaged_champion_is_said_and_can_be_left(
    fake: Registry, train: Callable[..., Bundle]
) -> None:
    new = train()
    copy = champion.materialise(new.folder)
    champion.switch(replace(new, folder=copy), "zoe", "2026-11-21T10:00:00", OLD)
    (copy / "model.keras").write_bytes(b"changed")
    shown = tab()
    assert "weights with the SHA-256" in shown.text
    shown.press("Roll back to this version").press("Serve this version from now on")
    assert fake.asked == [("rollback", "zoe", OLD, NEW, "")]


def test_where_the_setting_decides_nothing_is_promoted(
    fake: Registry, train: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    train()
    monkeypatch.setenv("XRAY_BUNDLE", str(fake.folders[OLD]))
    settings.cache_clear()
    shown = tab()
    assert "XRAY_BUNDLE says which version this server serves" in shown.text
    assert shown.button("Promote this version").disabled


def test_what_a_version_is_called_shows_as_text(fake: Registry) -> None:
    fake.found[0] = replace(fake.found[0], note=HOSTILE)
    shown = tab()
    assert "<img" not in shown.html
    assert HOSTILE.split(" *")[1] not in [m.value for m in shown.at.caption]
    assert registered.served_version() == OLD
