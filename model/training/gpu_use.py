"""How busy the GPUs are while a training runs: lines in its log, the same on every host.

    with gpu_use.followed():  # where it trains
        train(...)
    gpu_use.told(log)         # where it is looked at

NVIDIA's own tool is asked, which comes with the driver; without it nothing is told.
"""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass

ASKED = (
    "nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
)  # fmt: skip
EVERY_SECONDS = 30.0
_KEY = "gpus"


@dataclass(frozen=True)
class Gpu:
    """percent: of the last second in which it worked. used_gb, total_gb: memory, 1e9 bytes."""

    percent: int
    used_gb: float
    total_gb: float


def now() -> list[Gpu]:
    """Each GPU of this computer; [] where there is none, or none that tells."""
    try:
        done = subprocess.run(ASKED, capture_output=True, text=True, timeout=20, check=True)
        rows = [line.split(",") for line in done.stdout.splitlines()]
        return [Gpu(int(a), _gb(int(b)), _gb(int(c))) for a, b, c in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _gb(mebibytes: int) -> float:
    return round(mebibytes * 1024**2 / 1e9, 1)


@contextlib.contextmanager
def followed(every_seconds: float = EVERY_SECONDS) -> Iterator[None]:
    """Prints what `now` gives, again and again; the block neither waits for it nor fails by it."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(every_seconds):
            found = now()
            if not found:
                return
            print(json.dumps({_KEY: [asdict(gpu) for gpu in found]}), flush=True)

    threading.Thread(target=follow, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def told(log: str) -> list[Gpu]:
    """What the last such line of a log says; [] for none."""
    for line in reversed(log.splitlines()):
        if line.startswith(f'{{"{_KEY}"'):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                return [Gpu(**gpu) for gpu in json.loads(line)[_KEY]]
    return []
