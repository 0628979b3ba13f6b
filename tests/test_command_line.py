"""python -m model ...: help, doctor, bundles that give no verdict, and a process of its own."""

import json
import shutil
import subprocess
import sys

import pytest

from model.bundle import open_bundle
from model.config import ROOT, settings
from tests.command_cases import KEYS, in_process, serve
from tests.command_cases import blank as blank
from tests.command_cases import load_once as load_once
from tests.command_cases import run as run


def test_doctor_finds_this_installation_well(run):
    status, lines, _ = run("doctor")
    assert status == 0, lines
    assert [line.split()[:2] for line in lines] == [
        ["ok", name]
        for name in (
            "packages",
            "bundle",
            "prediction",
            "home",
            "store",
            "audit",
            "images",
            "mlflow",
        )
    ] + 4 * [["ok", "local"]]
    assert open_bundle(settings().bundle).model_version in lines[1]
    assert list(settings().home.glob("*doctor*")) == []


def test_doctor_says_what_is_wrong_and_goes_on(tmp_path):
    shutil.copytree(settings().bundle, tmp_path / "bundle", ignore=shutil.ignore_patterns("run"))
    with (tmp_path / "bundle" / "model.keras").open("r+b") as weights:
        weights.seek(1000)
        weights.write(b"damage")
    home = tmp_path / "file"
    home.write_text("no folder")
    ended = in_process("doctor", XRAY_BUNDLE=str(tmp_path / "bundle"), XRAY_HOME=str(home))
    assert ended.returncode == 2
    lines = ended.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "packages"], ["FAIL", "bundle"], ["FAIL", "prediction"], ["FAIL", "home"],
        ["FAIL", "store"], ["FAIL", "audit"], ["FAIL", "images"], ["ok", "mlflow"],
        ["FAIL", "local"], *3 * [["ok", "local"]],
    ]  # fmt: skip
    assert "SHA-256" in lines[1]
    assert "XRAY_HOME" in lines[3]
    assert "Traceback" not in ended.stderr


def test_a_broken_bundle_gives_no_verdict(run, samples, labelled_samples, tmp_path, monkeypatch):
    serve(monkeypatch, tmp_path)
    for arguments in (
        ["predict", "--json", samples["normal-1.jpg"]],
        ["evaluate", "--json", "--data", labelled_samples],
    ):
        status, lines, err = run(*arguments)
        assert (status, lines) == (2, [])
        assert err.startswith("Expected bundle.json")


def test_a_file_where_the_bundle_should_be_is_said_in_a_sentence(run, blank, monkeypatch):
    serve(monkeypatch, blank)
    status, lines, err = run("predict", blank)
    assert (status, lines) == (2, [])
    assert err.startswith("Expected bundle.json in the folder")


def test_a_card_without_the_hash_of_the_weights_is_refused(run, blank, tmp_path, monkeypatch):
    folder = tmp_path / "bundle"
    shutil.copytree(settings().bundle, folder, ignore=shutil.ignore_patterns("run"))
    card = json.loads((folder / "bundle.json").read_text())
    del card["weights"]["sha256"]
    (folder / "bundle.json").write_text(json.dumps(card))
    serve(monkeypatch, folder)
    status, _, err = run("predict", blank)
    assert status == 2
    assert err.startswith("Expected ")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["predict", "--help"], ["predict"], ["train", "--data", "x"]]
)
def test_help_and_wrong_arguments_answer_without_loading_keras(arguments):
    code = (
        "import sys\n"
        "from model.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    print('ended with', end.code)\n"
        "print(sorted({'keras', 'tensorflow', 'streamlit', 'sklearn'} & set(sys.modules)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.stdout.splitlines()[-1] == "[]"
    assert ended.stdout.splitlines()[-2] == f"ended with {0 if '--help' in arguments else 2}"


def test_a_real_process_writes_json_and_nothing_else_to_standard_output(samples, tmp_path):
    good, missing = samples["pneumonia-2.jpg"], tmp_path / "nowhere.jpg"
    ended = in_process("predict", "--json", good, missing)
    assert ended.returncode == 2
    first, second = map(json.loads, ended.stdout.splitlines())
    assert list(first) == KEYS
    assert list(second) == ["file", "error"]
    assert "Traceback" not in ended.stderr
