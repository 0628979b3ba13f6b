"""python -m model.training.ray_facts: prints as JSON what a training would find on the cluster."""

import json
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

PACKAGES = ("ray", "keras", "tensorflow", "jax", "torch", "mlflow", "numpy")


def facts() -> dict[str, Any]:
    """Versions, GPUs that Keras sees, free disk and memory in GB, whether MLflow answers."""
    home = Path(os.environ.get("XRAY_HOME") or Path.home())
    there = next(path for path in (home, *home.parents) if path.exists())
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": _versions(),
        "disk_gb": shutil.disk_usage(there).free / 1e9,
        "memory_gb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9,
        "mlflow": _answers(os.environ.get("XRAY_MLFLOW_URL", "")),
    }
    try:
        found |= _keras()
    except Exception as error:  # a driver that does not fit, a library that is missing
        found["fault"] = f"{type(error).__name__}: {error}"
    return found


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _keras() -> dict[str, Any]:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a training may be running
    from model.nn.gpus import backend, gpus

    return {"backend": backend(), "gpus": gpus()}


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]  # without a password, which this needs not
    try:
        with urlopen(f"{parts.scheme}://{server}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    print(json.dumps({"facts": facts()}), flush=True)
