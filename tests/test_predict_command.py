"""python -m model predict: the contract with other programs."""

import io
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from rich.console import Console

from model import commands
from model.bundle import open_bundle
from model.config import settings
from tests.command_cases import KEYS
from tests.command_cases import blank as blank
from tests.command_cases import load_once as load_once
from tests.command_cases import predict as predict
from tests.command_cases import run as run
from tests.model.images import dicom, encode


def test_one_object_a_line_in_the_order_given(predict, samples):
    files = [str(samples[name]) for name in ("pneumonia-4.dcm", "normal-2.jpg", "pneumonia-1.jpg")]
    status, objects = predict(*files)
    assert status == 0
    assert [value["file"] for value in objects] == files
    bundle = open_bundle(settings().bundle)
    for value in objects:
        assert list(value) == KEYS
        assert 0 <= value["probability"] <= 1
        assert value["threshold"] == bundle.operating_point().threshold
        called = value["probability"] >= value["threshold"]
        assert value["decision"] == ("pneumonia" if called else "normal")
        gate = value["gate"]
        assert (gate["status"], gate["reason"]) == ("accepted", "")
        assert 0 < gate["score"] < 1
        assert value["model_version"] == bundle.model_version
        assert len(value["sha256"]) == 64
    assert objects[0]["sha256"] != objects[1]["sha256"]


def test_a_file_given_twice_is_answered_twice(predict, samples):
    status, objects = predict(samples["normal-1.jpg"], samples["normal-1.jpg"])
    assert (status, len(objects)) == (0, 2)
    assert objects[0]["probability"] == pytest.approx(objects[1]["probability"], abs=1e-3)


def test_a_file_that_cannot_be_read_is_said_and_the_next_one_read(
    predict, samples, tmp_path, blank
):
    text = tmp_path / "letter.txt"
    text.write_text("Dear colleague")
    missing, good = tmp_path / "nowhere.png", samples["normal-1.jpg"]
    status, objects = predict(text, good, missing, tmp_path, good)
    assert status == 2
    assert [value["file"] for value in objects] == [
        str(p) for p in (text, good, missing, tmp_path, good)
    ]
    for i, kind in ((0, "XRayError"), (2, "DataError"), (3, "DataError")):
        assert list(objects[i]) == ["file", "error"]
        assert list(objects[i]["error"]) == ["type", "message"]
        assert objects[i]["error"]["type"] == kind
        assert objects[i]["error"]["message"].startswith("Expected ")
    assert "a text document (letter.txt" in objects[0]["error"]["message"]
    assert list(objects[1]) == list(objects[4]) == KEYS


def test_nothing_but_files_that_cannot_be_read(predict, tmp_path):
    status, [value] = predict(tmp_path / "nowhere.png")
    assert status == 2
    assert "error" in value


def test_a_refused_image_has_no_probability_and_is_no_failure(predict, blank):
    status, [value] = predict(blank)
    assert status == 0
    assert list(value) == KEYS
    assert (value["probability"], value["decision"]) == (None, None)
    assert value["gate"]["status"] == "refused"
    assert "blank" in value["gate"]["reason"]
    assert value["gate"]["score"] > 0
    assert value["threshold"] == open_bundle(settings().bundle).operating_point().threshold


def test_threshold_decides(predict, samples):
    file = samples["pneumonia-1.jpg"]
    _, [value] = predict(file)
    probability = value["probability"]
    for threshold, decision in ((0, "pneumonia"), (probability, "pneumonia"), (1, "normal")):
        status, [value] = predict("--threshold", repr(threshold), file)
        assert status == 0
        assert value["threshold"] == threshold
        assert value["decision"] == decision


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "nan", "inf"])
def test_a_threshold_out_of_range_is_refused_before_anything_is_read(run, samples, threshold):
    status, lines, err = run("predict", samples["normal-1.jpg"], f"--threshold={threshold}")
    assert status == 2
    assert lines == []
    assert err.startswith("Expected a threshold between 0 and 1.")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("predict",), ("predict", "a.png", "--threshold", "high"), ("diagnose",), ("evaluate",), ()],
)
def test_wrong_arguments_end_with_2(run, arguments):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def test_without_json_each_file_has_one_line_for_people(run, samples, blank, tmp_path):
    missing = tmp_path / "nowhere.png"
    sick = samples["pneumonia-1.jpg"]
    status, lines, _ = run("predict", sick, blank, missing, "--threshold", "0")
    assert status == 2
    assert [line.split(": ")[0] for line in lines] == [str(sick), str(blank), str(missing)]
    assert ": pneumonia, probability 0." in lines[0] or ": pneumonia, probability 1." in lines[0]
    assert ": refused. The image is blank" in lines[1]
    assert ": Expected " in lines[2]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_file_name_that_is_no_unicode_stops_nothing(run, samples, tmp_path):
    odd = tmp_path / os.fsdecode(b"R\xf6ntgen.jpg")  # Latin-1, as old archives have it
    shutil.copy(samples["normal-1.jpg"], odd)
    for options in (["--json"], []):
        status, lines, _ = run("predict", odd, samples["normal-1.jpg"], *options)
        assert status == 0
        assert len(lines) == 2


def test_more_films_than_a_batch_still_go_to_standard_output(run, samples, monkeypatch):
    """With a terminal at standard error there is a progress bar, which must not take the lines."""
    terminal = io.StringIO()
    monkeypatch.setattr(
        commands, "_stderr", lambda: Console(file=terminal, force_terminal=True, width=80)
    )
    files = [samples["normal-1.jpg"], samples["pneumonia-1.jpg"]] * 9
    status, lines, _ = run("predict", "--json", *files)
    assert status == 0
    assert [json.loads(line)["file"] for line in lines] == [str(file) for file in files]
    assert "Reading X-rays" in terminal.getvalue()
    assert "probability" not in terminal.getvalue()


def test_a_name_in_the_file_does_not_come_out(run, samples, tmp_path):
    grey = cv2.imread(str(samples["normal-1.jpg"]), cv2.IMREAD_GRAYSCALE)
    tags = {
        "PatientName": "Zwicky^Fritz", "PatientID": "ZWICKY-1898", "PatientBirthDate": "18980214",
        "InstitutionName": "Zwicky Hospital", "OtherPatientNames": "Zwicky^F",
    }  # fmt: skip
    good, cut = tmp_path / "film.dcm", tmp_path / "cut.dcm"
    data = dicom(grey.astype(np.uint16) * 16, **tags)
    assert b"Zwicky" in data
    good.write_bytes(data)
    cut.write_bytes(data[: len(data) // 2])
    colour = tmp_path / "film.png"
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Patient", "Zwicky")
    colour.write_bytes(encode(grey, "PNG", pnginfo=info))
    for options in ([], ["--json"]):
        _, lines, err = run("predict", good, cut, colour, "--heatmaps", tmp_path / "out", *options)
        assert len(lines) == 3
        said = "\n".join([*lines, err]).lower()
        assert "zwicky" not in said
        assert "1898" not in said
    for written in (tmp_path / "out").iterdir():
        assert b"zwicky" not in written.read_bytes().lower()
        assert "zwicky" not in written.name.lower()


def test_heatmaps_have_the_size_of_the_film(predict, samples, tmp_path):
    for name in ("pneumonia-1.jpg", "pneumonia-4.dcm"):
        predict(samples[name], "--heatmaps", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pneumonia-1.heatmap.npy",
        "pneumonia-1.overlay.png",
        "pneumonia-4.heatmap.npy",
        "pneumonia-4.overlay.png",
    ]
    height, width = cv2.imread(str(samples["pneumonia-1.jpg"]), cv2.IMREAD_GRAYSCALE).shape
    assert height != width
    heat = np.load(tmp_path / "pneumonia-1.heatmap.npy")
    assert heat.shape == (height, width)
    assert heat.dtype == np.float32
    assert 0 <= heat.min() <= heat.max() <= 1
    picture = cv2.imread(str(tmp_path / "pneumonia-1.overlay.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (height, width, 3)


def test_the_overlay_is_the_film_where_there_is_no_heat(predict, samples, tmp_path):
    predict(samples["pneumonia-1.jpg"], "--heatmaps", tmp_path)
    grey = cv2.imread(str(samples["pneumonia-1.jpg"]), cv2.IMREAD_GRAYSCALE)
    heat = np.load(tmp_path / "pneumonia-1.heatmap.npy")
    picture = cv2.imread(str(tmp_path / "pneumonia-1.overlay.png"))
    cold, hot = heat < 0.04, heat > 0.5
    assert cold.any()
    assert hot.any()
    assert (picture[cold] == grey[cold][:, None]).all()
    assert np.ptp(picture[hot].astype(int), axis=1).mean() > 20  # coloured


def test_files_of_the_same_stem_do_not_overwrite_each_other(predict, samples, tmp_path):
    shapes = [(100, 140), (150, 120), (90, 90)]
    grey = cv2.imread(str(samples["pneumonia-1.jpg"]), cv2.IMREAD_GRAYSCALE)
    files = [tmp_path / name for name in ("a/x.png", "b/x.png", "b/x.jpg")]
    for file, (height, width) in zip(files, shapes, strict=True):
        file.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(file), cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))
    out = tmp_path / "out"
    status, _ = predict(*files, "--heatmaps", out)
    assert status == 0
    assert len(list(out.iterdir())) == 6
    assert [np.load(out / f"{n}.heatmap.npy").shape for n in ("x", "x-2", "x-3")] == shapes


def test_not_even_if_one_is_called_like_the_second_of_another(predict, samples, tmp_path):
    names = ["x.jpg", "x-2.jpg", "sub/x.jpg", "sub/x-2.jpg"]
    (tmp_path / "sub").mkdir()
    for name in names:
        shutil.copy(samples["normal-1.jpg"], tmp_path / name)
    predict(*(tmp_path / name for name in names), "--heatmaps", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.overlay.png"))) == 4


def test_no_heatmap_for_what_is_refused_or_cannot_be_read(predict, blank, tmp_path):
    status, _ = predict(blank, tmp_path / "nowhere.png", "--heatmaps", tmp_path / "out")
    assert status == 2
    assert not list(tmp_path.glob("out/*"))


def test_a_folder_for_heatmaps_that_cannot_be_is_said_in_a_sentence(run, samples, blank):
    status, _, err = run("predict", samples["normal-1.jpg"], "--heatmaps", blank)
    assert status == 2
    assert err.startswith("Expected ")
