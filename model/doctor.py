"""python -m model doctor: is this installation whole, and what to do where it is not."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from model import xray
from model.commands import FAILED
from model.config import ROOT, settings
from model.errors import PneumoscopeError
from model.files import write_whole
from model.versions import champion

SAMPLE = ROOT / "assets" / "samples" / "normal-1.jpg"
_REPAIR = "Run `pip install -r requirements.txt`, and restore missing files from the repository."
_T = TypeVar("_T")


def doctor() -> int:
    """Checks this installation: one line a check, with a hint for each that failed."""
    checks = [
        _check_packages, _check_bundle, _check_prediction, _check_home,
        _check_store, _check_audit, _check_images, _check_mlflow,
    ]  # fmt: skip
    failed = False
    for check in checks:
        name = check.__name__.removeprefix("_check_")
        found = _found(name, check)
        failed |= found is None
        if found is not None:
            print(f"ok    {name:<11} {found}", flush=True)
    failed |= not _are_hosts_well()
    return FAILED if failed else 0


def _are_hosts_well() -> bool:
    """One line for each check of each host that trainings can be given to."""
    from model.training import jobs
    from model.training.job_host import Check

    def check_of(name: str) -> list[Check]:
        return jobs.host_of(name).check()

    is_well = True
    for name in jobs.hosts():
        found = _found(name, partial(check_of, name))
        is_well &= found is not None and all(check.ok for check in found)
        for check in found or ():
            said = check.found if check.ok else f"{check.found}. {check.hint}"
            start = "ok  " if check.ok else "FAIL"
            print(f"{start}  {name + ' ' + check.name:<11} {said}", flush=True)
    return is_well


def _found(name: str, check: Callable[[], _T]) -> _T | None:
    """What a check finds; None after a line of what it met, so that the next can follow."""
    try:
        return check()
    except PneumoscopeError as error:
        said = error
    except Exception as error:
        # Of what nobody foresaw the first line: TensorFlow explains a failed import on thirty.
        what = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        said = PneumoscopeError("an installation that can be checked", what, _REPAIR)
    print(f"FAIL  {name:<11} {said}", flush=True)
    return None


def _check_packages() -> str:
    from importlib.metadata import PackageNotFoundError, version

    names = ("streamlit", "tensorflow", "keras", "mlflow", "numpy", "pydicom")
    try:
        python = ".".join(str(part) for part in sys.version_info[:3])
        return ", ".join([f"Python {python}", *(f"{name} {version(name)}" for name in names)])
    except PackageNotFoundError as error:
        raise PneumoscopeError(
            f"the package {error.name}", "none", "Run `pip install -r requirements.txt`."
        ) from None


def _check_bundle() -> str:
    bundle = champion.look().open()
    return f"{bundle.model_version}, evaluated on {', '.join(bundle.evaluations)}"


def _check_prediction() -> str:
    """Reads a synthetic film of the assets, from decoding to heatmap."""
    import time

    data = SAMPLE.read_bytes()
    from model.nn.classifier import Classifier

    classifier = Classifier.load(champion.served())
    began = time.perf_counter()
    prediction = classifier.predict([xray.read(data, SAMPLE.name)])[0]
    if prediction.probability is None:
        raise PneumoscopeError(
            f"a probability for {SAMPLE.name}", prediction.gate.reason, "Restore the served model."
        )
    seconds = time.perf_counter() - began
    return f"one X-ray in {seconds * 1000:.0f} ms, {classifier.precision}"


def _check_home() -> str:
    home = settings().home
    try:
        write_whole(home / "doctor", lambda path: path.write_text("ok"))
        (home / "doctor").unlink()
    except OSError as error:
        raise PneumoscopeError(
            "a folder for runtime data that can be written",
            error.strerror or type(error).__name__,
            "Set XRAY_HOME to such a folder.",
        ) from None
    return "runtime data can be written"


def _check_store() -> str:
    from model import store

    return store.description()


def _check_audit() -> str:
    from model.people import audit

    for problem in audit.check():
        raise PneumoscopeError(
            "an audit trail as it was written",
            problem,
            "Compare with a backup of the database, and find out who had access to it.",
        )
    return "no record was changed, added or taken out"


def _check_images() -> str:
    from model.clinic import kept_images

    problems = kept_images.check()
    if problems:
        raise PneumoscopeError(
            "all kept images, unchanged",
            f"{len(problems)} that are not. {problems[0]}",
            "The page Admin, Storage, shows all of them.",
        )
    return "kept images are there and unchanged"


def _check_mlflow() -> str:
    """From here; whether a GPU host reaches it is a check of that host."""
    from model.versions import tracking

    return tracking.check()
