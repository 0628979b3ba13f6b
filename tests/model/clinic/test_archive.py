"""Films out of uploads, archives and folders; what is evil in them is said and does no harm."""

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from model import xray
from model.clinic import archive
from model.clinic.archive import Film
from model.config import Settings
from model.errors import InputError, XRayError

PLAIN = b"a film" * 20


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as into:
        for name, data in members:
            into.writestr(name, data)
    return file.getvalue()


def unpacked(data: bytes) -> list[Film]:
    return archive.from_uploads([("films.zip", data)])


def why(film: Film) -> str:
    with pytest.raises(XRayError) as error:
        film.read()
    return str(error.value)


def flagged(data: bytes, flags: int) -> bytes:
    """The archive of one member with these flags set for it, in both of its headers."""
    edited, central = bytearray(data), data.index(b"PK\1\2")
    for at in (6, central + 8):
        (old,) = struct.unpack_from("<H", edited, at)
        struct.pack_into("<H", edited, at, old | flags)
    return bytes(edited)


def declaring(data: bytes, num_bytes: int) -> bytes:
    """The archive of one member that says it unpacks to this many bytes."""
    edited, central = bytearray(data), data.index(b"PK\1\2")
    for at in (22, central + 24):
        struct.pack_into("<I", edited, at, num_bytes)
    return bytes(edited)


def test_nested_folders_and_single_files_in_the_order_given():
    data = packed(("b/deep/er/one.png", b"1"), ("a.png", b"2"))
    films = archive.from_uploads([("x.dcm", b"0"), ("films.zip", data), ("y.jpg", b"3")])
    assert [film.name for film in films] == ["x.dcm", "b/deep/er/one.png", "a.png", "y.jpg"]
    assert [film.read() for film in films] == [b"0", b"1", b"2", b"3"]
    assert archive.num_bytes(films) == len(data) + 2


def test_an_archive_is_in_memory_whole_whichever_of_its_films_are_kept():
    data = packed(*((f"{n}.png", os.urandom(1000)) for n in range(3)))
    first, *others = unpacked(data)
    assert archive.num_bytes([first]) == archive.num_bytes(others) == len(data) > 3000
    assert archive.num_bytes([*others, *unpacked(bytes(bytearray(data)))]) == 2 * len(data)


def test_what_file_managers_leave_is_no_film():
    data = packed(
        ("a/", b""), ("__MACOSX/a/._x.png", b"-"), ("a/._x.png", b"-"), ("a/.DS_Store", b"-"),
        ("a/Thumbs.db", b"-"), ("a/x.png", b"1"),
    )  # fmt: skip
    assert [film.name for film in unpacked(data)] == ["a/x.png"]


def test_a_member_without_a_name_is_no_film():
    data = packed(("none", PLAIN), ("a.png", PLAIN)).replace(b"none", b"\0one")  # ends there
    assert [film.name for film in unpacked(data)] == ["a.png"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_are_two_films_told_apart():
    films = unpacked(packed(("a.png", b"1"), ("a.png", b"2"), ("a.png (2)", b"3")))
    assert [film.name for film in films] == ["a.png", "a.png (2)", "a.png (2) (2)"]
    assert [film.read() for film in films] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.png", "a/../../x.png", "C:\\x.png", "..\\x"])
def test_a_path_out_of_the_archive_is_not_read(name: str):
    bad, good = unpacked(packed((name, PLAIN), ("good.png", PLAIN)))
    assert "a path that leads out of it" in why(bad)
    assert good.read() == PLAIN


def test_a_name_that_is_hardly_one():
    films = unpacked(packed((".", PLAIN), ("a/./b", PLAIN), ("\u202e.png", PLAIN)))
    assert [film.read() for film in films] == [PLAIN] * 3


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_is_not_read(kind: int):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (kind | 0o777) << 16
    [film] = unpacked(packed((link, b"/etc/passwd")))
    assert "a link or a device" in why(film)


def test_an_encrypted_film_is_not_read():
    [film] = unpacked(flagged(packed(("a.png", PLAIN)), 1))
    assert "Pack it without a password" in why(film)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_not_read(method: int):
    [film] = unpacked(packed(("a.png", PLAIN), method=method))
    assert "Pack it again as a plain ZIP" in why(film)


def test_an_archive_in_an_archive_is_not_opened():
    [film] = unpacked(packed(("inner.zip", packed(("a.png", PLAIN)))))
    with pytest.raises(XRayError, match=r"ZIP or other archive.*Unpack it first"):
        xray.read(film.read(), film.name)


def test_a_damaged_film_spoils_no_other():
    data = bytearray(packed(("a.png", PLAIN), ("b.png", PLAIN), method=zipfile.ZIP_STORED))
    data[data.index(PLAIN) + 3] ^= 0xFF
    bad, good = unpacked(bytes(data))
    assert "damaged in its archive" in why(bad)
    assert good.read() == PLAIN


def test_a_bomb_is_refused_by_what_it_declares(monkeypatch: pytest.MonkeyPatch):
    bomb = packed(("a.png", bytes(3_000_000)))
    assert len(bomb) < 4000
    monkeypatch.setattr(archive, "settings", lambda: Settings(Path(), Path(), max_file_bytes=10**6))
    [film] = unpacked(bomb)
    assert "one of 3.0 MB" in why(film)
    monkeypatch.setattr(archive, "MAX_BYTES", 4_000_000)
    with pytest.raises(InputError, match="GB of films, unpacked"):
        archive.from_uploads([("1.zip", bomb), ("2.zip", bomb)])


def test_a_bomb_that_lies_unpacks_to_no_more_than_it_declares(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    inflate = zlib.decompressobj

    class Watched:
        def __init__(self, *arguments: int) -> None:
            self.real = inflate(*arguments)

        def __getattr__(self, name: str):
            return getattr(self.real, name)

        def decompress(self, data: bytes, limit: int = 0) -> bytes:
            out = self.real.decompress(data, limit)
            asked.append(len(out))
            return out

    [film] = unpacked(declaring(packed(("a.png", bytes(30_000_000))), 100))
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    assert "damaged in its archive" in why(film)
    assert sum(asked) < 100_000
    [film] = unpacked(declaring(packed(("a.png", PLAIN)), 1000))
    assert "damaged in its archive" in why(film)


def test_a_vast_table_of_contents_is_not_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 1000)
    with pytest.raises(InputError, match="table of contents"):
        unpacked(packed(*((f"{n}.png", b"") for n in range(100))))


def test_two_thousand_files_and_no_more():
    assert len(unpacked(packed(*((f"{n}.png", b"") for n in range(2000))))) == 2000
    with pytest.raises(InputError, match="1 to 2000 files"):
        unpacked(packed(*((f"{n}.png", b"") for n in range(2001))))
    with pytest.raises(InputError, match="1 to 2000 files"):
        archive.from_uploads([(f"{n}.png", b"") for n in range(2001)])
    for nothing in ([], [("films.zip", packed())]):
        with pytest.raises(InputError, match="none"):
            archive.from_uploads(nothing)


@pytest.mark.parametrize("cut", [10, 60, 140])
def test_an_archive_cut_short_is_refused_as_a_whole(cut: int):
    with pytest.raises(InputError, match="damaged, cut short"):
        unpacked(packed(("a.png", os.urandom(100)))[:cut])


def test_names_that_are_no_utf_8():
    latin = packed(("aaaa.png", PLAIN)).replace(b"aaaa", b"\xfc\xe9\x81z")
    [film] = unpacked(latin)
    assert film.name.endswith("z.png")
    assert film.read() == PLAIN
    without_mark = packed(("aaaa.png", PLAIN)).replace(b"aaaa", "éü".encode())
    assert unpacked(without_mark)[0].name == "éü.png"
    with pytest.raises(InputError, match="table of contents"):
        unpacked(flagged(latin, 0x800))


def test_a_folder_of_the_server(tmp_path: Path):
    folder, outside = tmp_path / "films", tmp_path / "outside"
    (folder / "ward").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"secret")
    for name in ("b.png", "ward/a.png", ".hidden/x.png", ".DS_Store"):
        (folder / name).write_bytes(name.encode())
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "out").symlink_to(outside)
    films = archive.from_folder(folder)
    assert [film.name for film in films] == ["b.png", "ward/a.png"]
    assert [film.read() for film in films] == [b"b.png", b"ward/a.png"]
    assert archive.subfolders(folder) == ["ward"]

    (folder / "b.png").unlink()
    (folder / "b.png").symlink_to(outside / "secret.png")
    (folder / "ward" / "a.png").unlink()
    os.mkfifo(folder / "ward" / "a.png")
    assert "leads out of the folder" in why(films[0])
    assert "a device or a pipe" in why(films[1])


def test_folders_that_are_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="a folder that the server can read") as error:
        archive.from_folder(tmp_path / "none")
    assert str(tmp_path) not in str(error.value)
    with pytest.raises(InputError, match="none"):
        archive.from_folder(tmp_path)
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(InputError, match="1 to 3 files"):
        archive.from_folder(tmp_path)
