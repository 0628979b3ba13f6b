"""All checks with one command: `python tests/run.py [arguments for pytest]`.

Needs nothing but Python: outside a virtual environment it makes `.venv` and goes on in that. It
installs what the tests need, finds or installs a Chromium, and runs every check even if one fails.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = [["ruff", "check", "."], ["ruff", "format", "--check", "."]]
HEADLESS = "chromium-headless-shell"  # draws no window of its own: a sixth less to compute
BROWSERS = [HEADLESS, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
# Half of the time is waiting for a browser or a server.
SIDE_BY_SIDE = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
WHERE = (
    "from playwright.sync_api import sync_playwright\n"
    "with sync_playwright() as p: print(p.chromium.executable_path)"
)


def succeeds(command: list[str], quiet: bool = False) -> bool:
    """Run the command in the repository root; a program that is missing has failed."""
    output = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.call(command, cwd=ROOT, stdout=output, stderr=output) == 0
    except OSError:
        return False


def go_on_in_venv() -> None:
    """Run this script again with the Python of `.venv`, made now if there is none that works."""
    folder = ROOT / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not succeeds([str(python), "-m", "pip", "--version"], quiet=True):
        print("making .venv", flush=True)
        if not succeeds([sys.executable, "-m", "venv", "--clear", str(folder)]):
            sys.exit(
                "Python could not make a virtual environment: run `apt-get install python3-venv` "
                "first on Debian and Ubuntu, elsewhere install Python with its venv module."
            )
    sys.exit(subprocess.call([str(python), __file__, *sys.argv[1:]]))


def install() -> bool:
    """Install tests/requirements.txt unless this environment already had it in this wording."""
    files = [ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt"]
    wanted = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    done = Path(sys.prefix) / "pneumoscope-requirements.sha256"
    if done.exists() and done.read_text() == wanted:
        return True
    # Compiled when it is imported: most of it never is.
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-compile"]
    pip += ["--disable-pip-version-check"]
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--system-certs"]
    uv += ["--python", sys.executable]
    packages = ["-r", str(files[1])]
    # uv needs a fifth of pip's time, but does not know of an index that pip was told of.
    by_uv = succeeds([*pip, "uv"], quiet=True) and succeeds([*uv, *packages], quiet=True)
    if not by_uv and not succeeds([*pip, *packages]):
        return False
    done.write_text(wanted)
    return True


def is_root() -> bool:
    """Whether this process may install what the system lacks."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def apt_install(*packages: str) -> bool:
    """Install packages where root has Debian's tools; elsewhere do nothing."""
    if not (is_root() and shutil.which("apt-get")):
        return False
    succeeds(["apt-get", "-qq", "update"])
    return succeeds(["apt-get", "-qq", "install", "-y", *packages])


def find_servers() -> bool:
    """Install PostgreSQL and a DICOM validator; where that cannot be, their tests skip."""
    has_postgresql = any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    has_validator = shutil.which("dciodvfy")
    needed = [("postgresql", has_postgresql), ("dicom3tools", has_validator)]
    missing = [package for package, found in needed if not found]
    if missing and not apt_install(*missing):
        print(f"not installed, tests that need it are skipped: {', '.join(missing)}", flush=True)
    return True


def find_chromium() -> bool:
    """Leave the path of a Chromium in the environment variable CHROMIUM."""
    names = [os.environ.get("CHROMIUM", ""), *BROWSERS]
    if not any(map(shutil.which, names[:2])):
        apt_install(HEADLESS)
    found = next(filter(None, map(shutil.which, names)), None)
    if not found and apt_install("chromium"):
        found = shutil.which("chromium")
    if not found:  # Playwright's own
        with_dependencies = ["--with-deps"] if is_root() else []
        succeeds([sys.executable, "-m", "playwright", "install", *with_dependencies, "chromium"])
        asked = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True)
        found = shutil.which(asked.stdout.strip())
    os.environ["CHROMIUM"] = found or ""
    return found is not None


def main() -> int:
    """Run the steps in order, pytest last: its summary is the last line, unless mypy failed."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(f"Pneumoscope needs Python 3.11 to 3.13. This is {sys.version.split()[0]}.")
    if sys.prefix == sys.base_prefix:
        go_on_in_venv()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    checks = [(" ".join(c), lambda c=c: succeeds([sys.executable, "-m", *c])) for c in CHECKS]
    failed = []
    found = [("find Chromium", find_chromium), ("find servers", find_servers)]
    for name, step in [("install", install), *found, *checks]:
        start = time.monotonic()
        failed += [] if step() else [name]
        result = "FAILED" if name in failed else "ok"
        print(f"{result:6} {name}, {time.monotonic() - start:.1f} s", flush=True)
    print(f"failed so far: {', '.join(failed) or 'nothing'}; now pytest and mypy", flush=True)
    pytest = [sys.executable, "-m", "pytest", *SIDE_BY_SIDE, *sys.argv[1:]]
    # mypy computes while tests wait, and is heard when they have ended.
    with tempfile.TemporaryFile("w+") as said:
        mypy = subprocess.Popen([sys.executable, "-m", "mypy"], cwd=ROOT, stdout=said, stderr=said)
        failed += [] if succeeds(pytest) else ["pytest"]
        if mypy.wait():
            said.seek(0)
            print(f"FAILED mypy\n{said.read()}", flush=True)
            failed.append("mypy")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
