"""Which model version is served: the champion, or before the first promotion the shipped one.

    champion.served()       # the folder of the version that reads the next X-ray
    champion.look().open()  # that version, checked

A champion is a copy below `versions` in the home that nothing changes any more. `champion.json`
beside it names the copy and holds the hash of its card; one atomic rename of that file is the
switch, so that there is always one version, whole. A server that sets `XRAY_BUNDLE` serves that
folder whatever was promoted. Reading needs nothing else: no database, no MLflow.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.bundle import CARD, PARTS, Bundle, open_bundle, sha256_of
from model.config import ROOT, settings
from model.errors import BundleError, plain_faults
from model.files import sync, write_json
from model.language import N_, _

FORMAT = 1
FILE = "champion.json"
BEFORE = "champion.before.json"  # what a switch that cannot be recorded goes back to
VERSIONS = "versions"
SHIPPED = ROOT / "model" / "weights"
_COPYING = ".copy"  # folders that are being filled: .copy-PROCESS-XXXX
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
TODO = N_(
    "No X-ray is read until then: an admin takes back an earlier version on the page Admin, or "
    "with `python -m model registry rollback`."
)


@dataclass(frozen=True)
class Served:
    """What is served. Without a champion.json the last five are "".

    since: UTC, as in the store. by: the admin. previous: the version before it.
    """

    folder: Path
    model_version: str = ""
    card_sha256: str = ""
    since: str = ""
    by: str = ""
    previous: str = ""

    @property
    def key(self) -> str:
        """Another one as soon as another version is served, or its files have changed."""
        with contextlib.suppress(OSError):
            entries = sorted(os.scandir(self.folder), key=lambda entry: entry.name)
            needed = [e for e in entries if e.name in (CARD, *PARTS) or e.name.endswith(".keras")]
            stats = [(e.name, e.stat().st_mtime_ns, e.stat().st_size) for e in needed]
            return repr((self.folder, self.card_sha256, stats))
        return repr((self.folder, self.card_sha256))

    def open(self) -> Bundle:
        """The version, checked. Raises BundleError if it is not as it was when promoted."""
        bundle = open_bundle(self.folder)
        if not self.card_sha256:
            return bundle
        if (bundle.model_version, sha256_of(self.folder / CARD)) != (
            self.model_version,
            self.card_sha256,
        ):
            raise BundleError(
                _(
                    "the card of {model_version} as it was promoted",
                    model_version=self.model_version,
                ),
                _("another one"),
                _(TODO),
            )
        return bundle


def served() -> Path:
    """The folder of the version that reads the next X-ray. Raises BundleError, see `look`."""
    return look().folder


def look() -> Served:
    """What is served now; some 50 microseconds.

    Raises BundleError for a champion.json that cannot be read: which version was meant is not
    known then, and none gives a verdict.
    """
    if is_fixed():
        return Served(settings().bundle)
    try:
        told = json.loads((settings().home / FILE).read_text())
    except FileNotFoundError:
        return Served(SHIPPED)
    except OSError as error:
        raise _unknown(error.strerror or type(error).__name__) from None
    except ValueError:
        raise _unknown(_("damaged JSON")) from None
    return _parsed(told)


def is_fixed() -> bool:
    """Whether `XRAY_BUNDLE` says what is served, whatever is promoted."""
    return bool(os.environ.get("XRAY_BUNDLE"))


def _parsed(told: Any) -> Served:
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise _unknown(_("a file of another format"))
    names = ("folder", "model_version", "card_sha256", "since", "by", "previous")
    texts = {name: str(told.get(name, "")) for name in names}
    folder = texts.pop("folder")
    if not (texts["card_sha256"] and _NAME.fullmatch(folder)):
        raise _unknown(_("a file that lacks or garbles what it has to say"))
    return Served(settings().home / VERSIONS / folder, **texts)


def _unknown(received: str) -> BundleError:
    return BundleError(
        _("a {file} that says which version is served", file=FILE), received, _(TODO)
    )


def is_copy(folder: Path) -> bool:
    """Whether the folder is one that `materialise` has made, which nothing changes any more."""
    return folder.resolve().parent == (settings().home / VERSIONS).resolve()


def folder_of(model_version: str) -> Path:
    """Where the copy of a version lies, if there is one. Raises BundleError for an odd name."""
    if not _NAME.fullmatch(model_version):
        raise BundleError(
            _("a version with a plain name"), repr(model_version), _("Train it anew.")
        )
    return settings().home / VERSIONS / model_version


def materialise(folder: Path) -> Path:
    """Copies a version below `versions`: checked, synced to disk, whole or not at all.

    Raises BundleError for a bundle that does not check, StoreError where there is no room for it.
    """
    bundle = open_bundle(folder)
    target = folder_of(bundle.model_version)
    if _is_copy(target, folder):
        return target
    versions = settings().home / VERSIONS
    with plain_faults(
        _("room for a copy of the version in the folder of runtime data"),
        _(
            "Nothing was changed, and the version that is served goes on. Free some space on "
            "the server's disk, or correct the rights of that folder, then try again."
        ),
    ):
        versions.mkdir(parents=True, exist_ok=True)
        copy = Path(tempfile.mkdtemp(dir=versions, prefix=f"{_COPYING}-{os.getpid()}-"))
        try:
            _copy(folder, copy)
            open_bundle(copy)
            copy.chmod(0o755)
            if target.exists():  # a copy that does not check: it gives no verdict as it is
                target.rename(Path(tempfile.mkdtemp(dir=copy.parent, prefix=copy.name)) / "old")
            copy.rename(target)
            sync(versions)
        finally:
            for left in versions.glob(f"{copy.name}*"):
                shutil.rmtree(left, ignore_errors=True)
    return target


def switch(bundle: Bundle, by: str, since: str, previous: str) -> Callable[[], None]:
    """From now on `bundle`, which `materialise` has copied, is served: one atomic rename.

    Returns what takes that back, for which the disk needs no room. Raises OSError.
    """
    file, before = settings().home / FILE, settings().home / BEFORE
    before.unlink(missing_ok=True)
    if file.exists():
        shutil.copyfile(file, before)

    def undo() -> None:
        if before.exists():
            before.replace(file)
        else:
            file.unlink(missing_ok=True)

    now = Served(bundle.folder, bundle.model_version, sha256_of(bundle.folder / CARD))
    now = replace(now, since=since, by=by, previous=previous)
    told = {"format": FORMAT, **vars(now), "folder": bundle.folder.name}
    write_json(file, told)
    return undo


def tidy() -> None:
    """Removes copies that a process began which has died since."""
    for path in (settings().home / VERSIONS).glob(f"{_COPYING}-*"):
        number = path.name.split("-")[1]
        if not (number.isdigit() and _is_alive(int(number))):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_copy(target: Path, source: Path) -> bool:
    """Whether the target is a sound copy of that version already."""
    try:
        open_bundle(target)
        return sha256_of(target / CARD) == sha256_of(source / CARD)
    except (BundleError, OSError):
        return False


def _copy(source: Path, target: Path) -> None:
    """The files of a bundle and what lies beside them, but no folder of a training run."""
    for path in sorted([*source.glob("*"), *source.glob("comparison/*")]):
        if path.is_file() and not path.name.startswith("."):
            copied = target / path.relative_to(source)
            copied.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copied)
            sync(copied)
