import json
import os
import threading

import pytest

from model.files import write_json, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_makes_folders_and_leaves_one_readable_file(tmp_path):
    path = tmp_path / "a" / "b" / "film.png"
    write_whole(path, lambda temporary: temporary.write_bytes(b"film"))
    assert path.read_bytes() == b"film"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(path.parent) == ["film.png"]


def test_a_crash_in_the_writer_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "card.json"
    path.write_text("old")

    def crash(temporary):
        temporary.write_text("half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, crash)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["card.json"]


def test_a_crash_before_there_was_a_file_leaves_none(tmp_path):
    def crash(temporary):
        temporary.write_text("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "card.json", crash)
    assert names(tmp_path) == []


def test_the_writer_sees_the_old_file_and_a_temporary_of_the_same_kind(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")
    seen = []

    def write(temporary):
        seen.append((temporary.parent, temporary.suffix, path.read_text()))
        temporary.write_text("new")

    write_whole(path, write)
    # the same folder, or the rename would not be atomic; the same suffix, by which Keras saves
    assert seen == [(tmp_path, ".keras", "old")]
    assert path.read_text() == "new"


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, done = tmp_path / "card.json", []
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(path.exists()))
    write_whole(path, lambda temporary: temporary.write_text("new"))
    assert done == [False]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "card.json"
    write_json(path, [0] * 5000)
    stop, broken = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                values = json.loads(path.read_text())
            except ValueError as error:
                broken.append(error)
            else:
                if len(set(values)) != 1 or len(values) != 5000:
                    broken.append(values[:9])

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(30):
        write_json(path, [i] * 5000)
    stop.set()
    reader.join()
    assert broken == []


def test_json_has_no_nan_and_the_old_file_stays(tmp_path):
    path = tmp_path / "card.json"
    write_json(path, {"temperature": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"temperature": float("nan")})
    assert json.loads(path.read_text()) == {"temperature": 1.5}
    assert names(tmp_path) == ["card.json"]


def test_json_is_indented_and_keeps_plain_lists_on_a_line(tmp_path):
    path = tmp_path / "card.json"
    value = {"a": [1, 2.5, None, "b"], "c": [[1, 2], [3, 4]], "d": [{"e": ()}], "f": {}, "g": []}
    write_json(path, value)
    assert json.loads(path.read_text()) == json.loads(json.dumps(value))
    lines = path.read_text().splitlines()
    assert lines[:5] == ["{", ' "a": [1, 2.5, null, "b"],', ' "c": [', "  [1, 2],", "  [3, 4]"]
