"""Many files at once: uploads, ZIP archives and folders of the server as films to be read.

    films = archive.from_uploads([("monday.zip", data)])
    films[0].name, films[0].read()

Nothing is ever unpacked to a disk. A film that cannot be read says so when it is: the others of
its archive are read. Only what cannot be a list of films at all is refused as a whole.
"""

import contextlib
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from model.clinic.worklists import MAX_FILES
from model.config import settings
from model.errors import InputError, TooLarge, XRayError
from model.language import _

MAX_BYTES = 2 * 1000**3  # of all uploads of one list, unpacked
_MAX_DIRECTORY = 8 * 1000**2  # of an archive's table of contents; 2,000 long names take .5 MB
_MAX_SEEN = 50_000  # things in a folder of the server, before it is given up
_ZIP = (b"PK\3\4", b"PK\5\6")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a limit
_JUNK = {".ds_store", "thumbs.db", "desktop.ini"}
_UTF8_NAME = 0x800


@dataclass(frozen=True)
class Film:
    """One file. `read` gives its bytes, at most `settings().max_file_bytes`, or raises XRayError.

    name: as the reader knows it, with its folders; no two of a list have the same.
    held: what stays in memory until it is let go: the file or its whole archive, which the other
        films of the archive hold too; nothing of a file of the server. See `num_bytes`.
    """

    name: str
    read: Callable[[], bytes]
    held: bytes = field(default=b"", repr=False)


def num_bytes(films: Iterable[Film]) -> int:
    """What these films take in memory: an archive as a whole, and once, whichever are in it."""
    return sum(map(len, {id(film.held): film.held for film in films}.values()))


def from_uploads(files: Iterable[tuple[str, bytes]], max_files: int = 0) -> list[Film]:
    """Files and ZIP archives, (name, bytes) each, in the order given.

    Raises InputError for more than `max_files` files (0: `MAX_FILES`), more than `MAX_BYTES`
    unpacked, none at all, and for an archive whose table of contents cannot be read.
    """
    films: list[Film] = []
    unpacked, max_files = 0, max_files or MAX_FILES
    for name, data in files:
        if data.startswith(_ZIP):
            archive = _open(name, data)
            members = [info for info in archive.infolist() if not _is_junk(info)]
            # zipfile gives no more of a member than this, so what is declared holds for real.
            unpacked += sum(info.file_size for info in members)
            films += _members(archive, members, data)
        else:
            unpacked += len(data)
            films.append(Film(name, lambda data=data: data, data))  # type: ignore[misc]
        if unpacked > MAX_BYTES:
            raise InputError(
                _("at most {n:g} GB of films, unpacked", n=MAX_BYTES / 1e9),
                _("more"),
                _("Divide the list."),
            )
        if len(films) > max_files:
            break
    _check_number(films, max_files)
    return _told_apart(films)


def from_folder(folder: Path, max_files: int = 0) -> list[Film]:
    """The files in a folder of the server and in its subfolders, by name; links are left out.

    Raises InputError for none or more than `max_files` (0: `MAX_FILES`), and if the folder cannot
    be read.
    """
    films, max_files = [], max_files or MAX_FILES
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        films.append(Film(name, lambda path=path: _read(folder, path)))  # type: ignore[misc]
        if len(films) > max_files:
            break
    _check_number(films, max_files)
    return _told_apart(sorted(films, key=lambda film: film.name))


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in this one, sorted; links and hidden ones are left out."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
        )
    return []


def _check_number(films: Sequence[Film], max_files: int) -> None:
    if not 1 <= len(films) <= max_files:
        received = _("more than {n}", n=max_files) if films else _("none")
        raise InputError(
            _("1 to {n} files", n=max_files),
            received,
            _("Choose others, or divide them."),
        )


def _told_apart(films: Sequence[Film]) -> list[Film]:
    """The second film of a name gets a number, the same one whenever the list is given again."""
    names: set[str] = set()
    told = []
    for film in films:
        name, number = film.name, 1
        while name in names:
            number += 1
            name = f"{film.name} ({number})"
        names.add(name)
        told.append(replace(film, name=name))
    return told


class _Archive(io.BytesIO):
    """The bytes of an archive; as long as `opening` is set, nothing large is read at once.

    zipfile reads the whole table of contents, and makes an object of a kilobyte from 46 bytes.
    """

    opening = True

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.getbuffer().nbytes - self.tell()
        wanted = left if size is None or size < 0 else min(size, left)
        if self.opening and wanted > _MAX_DIRECTORY:
            raise zipfile.BadZipFile("table of contents")
        return super().read(size)


def _open(name: str, data: bytes) -> zipfile.ZipFile:
    file = _Archive(data)
    archive = None
    with contextlib.suppress(
        zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, OverflowError
    ):
        archive = zipfile.ZipFile(file)
    if archive is None:
        raise InputError(
            _("a ZIP archive whose table of contents can be read"),
            _(
                "one that is damaged, cut short or too large ({file})",
                file=PurePosixPath(name).name[-80:],
            ),
            _("Pack it again, or give the files themselves."),
        )
    file.opening = False
    return archive


def _is_junk(info: zipfile.ZipInfo) -> bool:
    """What a file manager leaves: folders, previews, and the files that macOS packs beside ours."""
    parts = info.filename.replace("\\", "/").split("/")
    return (
        not info.filename  # `is_dir` looks at the last letter
        or info.is_dir()
        or "__MACOSX" in parts
        or parts[-1].startswith("._")
        or parts[-1].lower() in _JUNK | {""}
    )


def _members(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], data: bytes
) -> list[Film]:
    """Every member as a film. data: of the archive, which is in memory as long as one of them."""
    return [
        Film(_name(info), lambda info=info: _unpack(archive, info), data)  # type: ignore[misc]
        for info in members
    ]


def _name(info: zipfile.ZipInfo) -> str:
    """zipfile takes a name without the mark for UTF-8 for one of MS-DOS; most are UTF-8 too."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of one member. Raises XRayError for one that is no plain, whole file in there."""
    _check_member(info)
    data = None
    with contextlib.suppress(
        zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError,
        RuntimeError,
    ), archive.open(info) as member:  # fmt: skip
        # One byte more, so that zipfile comes to the end and checks the sum.
        data = member.read(info.file_size + 1)
    if data is None or len(data) != info.file_size:
        raise XRayError(
            _("a file that is whole"), _("one that is damaged in its archive"), _("Pack it again.")
        )
    return data


def _check_member(info: zipfile.ZipInfo) -> None:
    path, kind = PurePosixPath(_name(info)), stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        raise XRayError(
            _("a file inside its archive"), _("a path that leads out of it"), _("Pack it again.")
        )
    if kind not in (0, stat.S_IFREG):
        raise XRayError(_("a file"), _("a link or a device"), _("Pack the file itself."))
    if info.flag_bits & 1:
        raise XRayError(
            _("a file without a password"), _("a file with one"), _("Pack it without a password.")
        )
    if info.compress_type not in _METHODS:
        raise XRayError(
            _("a file packed in the usual way (deflate)"),
            _("another"),
            _("Pack it again as a plain ZIP."),
        )
    _check_size(info.file_size)


def _check_size(num_bytes: int) -> None:
    limit = settings().max_file_bytes
    if num_bytes > limit:
        raise TooLarge(
            _("a file of at most {n:.1f} MB", n=limit / 1e6),
            _("one of {n:.1f} MB", n=num_bytes / 1e6),
            _("Export a single image, or the same one compressed."),
        )


def _walk(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        raise InputError(_("a folder that the server can read"), reason, _("Choose another."))

    num_seen = 0
    for here, folders, names in os.walk(folder, onerror=fail):  # does not follow links
        num_seen += len(folders) + len(names)
        if num_seen > _MAX_SEEN:
            raise InputError(
                _("1 to {n} files", n=MAX_FILES), _("a vast folder"), _("Choose a smaller one.")
            )
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and name.lower() not in _JUNK and not path.is_symlink():
                yield path


def _read(folder: Path, path: Path) -> bytes:
    """A file of the server. It may have become a link or grown since it was listed."""
    data, reason = b"", ""
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise OSError(0, _("a link that leads out of the folder"))
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(0, _("a device or a pipe"))
            data = file.read(settings().max_file_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason:
        raise XRayError(_("a file that the server can read"), reason, _("Check it on the server."))
    _check_size(len(data))
    return data
