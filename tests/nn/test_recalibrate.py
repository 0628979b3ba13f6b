"""Temperature and operating points chosen anew for weights that stay as they are."""

import json
import shutil

import pytest

from model.__main__ import main
from model.bundle import CARD, open_bundle, sha256_of
from model.config import settings
from model.errors import BundleError, DataError
from model.nn import release
from model.nn.release import recalibrate


@pytest.fixture
def older(tiny_bundle, tmp_path):
    """A bundle whose preprocessing is no longer used."""
    folder = tmp_path / "older"
    shutil.copytree(tiny_bundle, folder)
    card = json.loads((folder / CARD).read_text())
    card |= {"preprocessing": "grey-standardise-1", "temperature": 7.0, "operating_points": []}
    card["evaluations"]["test"] = card["evaluations"]["validation"]
    (folder / CARD).write_text(json.dumps(card))
    return folder


def test_an_older_bundle_reads_again_with_calibration_and_fold_of_its_training(
    older, tiny_bundle, tiny_data
):
    weights = sha256_of(older / "model.keras")
    with pytest.raises(BundleError, match="preprocessing"):
        open_bundle(older)
    # as if it had been killed between gate and card: started again, it mends that
    (older / "gate.npz").write_bytes(b"of another calibration")

    new = recalibrate(open_bundle(older, is_outdated=True), tiny_data)

    trained = open_bundle(tiny_bundle)
    assert open_bundle(older).model_version == new.model_version
    assert sha256_of(older / "model.keras") == weights
    assert new.temperature == pytest.approx(trained.temperature, rel=1e-3)
    assert new.operating_points == trained.operating_points
    assert new.evaluations.keys() == {"validation", "changed"}
    assert new.evaluations["changed"].files == trained.evaluations["changed"].files
    assert new.training["curves"] == trained.training["curves"]


def test_interrupted_it_leaves_the_bundle_as_it_was(tiny_bundle, tiny_data, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    others = tiny_data / "test" / "NORMAL"  # with these the gate becomes another

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "_heat_floor", stop)  # all else is known by then
    with pytest.raises(KeyboardInterrupt):
        recalibrate(open_bundle(folder), tiny_data, others=others)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_versions_of_the_same_weights_differ_when_their_thresholds_do(older, tiny_bundle):
    card = json.loads((tiny_bundle / CARD).read_text())
    assert card["model_version"].endswith(tuple("0123456789abcdef"))
    assert sha256_of(tiny_bundle / "model.keras")[:8] not in card["model_version"]


def test_other_x_rays_than_those_of_its_training_are_refused(older, labelled_samples):
    bundle = open_bundle(older, is_outdated=True)
    before = (older / CARD).read_bytes()
    with pytest.raises(DataError):
        recalibrate(bundle, labelled_samples)
    assert (older / CARD).read_bytes() == before


def test_damaged_weights_are_not_given_a_new_card(older, tiny_data, capsys):
    (older / "model.keras").write_bytes(b"damaged")
    assert main(["calibrate", "--data", str(tiny_data), "--bundle", str(older)]) == 2
    assert "SHA-256" in capsys.readouterr().err


def test_the_command_says_what_became_of_the_version(older, tiny_data, capsys):
    old = json.loads((older / CARD).read_text())["model_version"]
    assert main(["calibrate", "--data", str(tiny_data), "--bundle", str(older)]) == 0
    assert f"{old} is now {open_bundle(older).model_version}." in capsys.readouterr().out


def test_no_bundle_is_changed_that_was_not_named_or_was_promoted(
    older, tiny_data, tmp_path, monkeypatch, capsys
):
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", "--data", str(tiny_data)])
    assert ended.value.code == 2
    assert "--bundle" in capsys.readouterr().err

    monkeypatch.setenv("XRAY_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    copy = shutil.copytree(older, tmp_path / "home" / "versions" / "older")
    before = (copy / CARD).read_bytes()
    assert main(["calibrate", "--data", str(tiny_data), "--bundle", str(copy)]) == 2
    assert "a version that was promoted" in capsys.readouterr().err
    assert (copy / CARD).read_bytes() == before
    monkeypatch.undo()
    settings.cache_clear()
