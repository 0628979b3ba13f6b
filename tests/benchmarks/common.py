"""What the benchmarks share: times in turns, tables, a film, a server with a browser."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The browser tests start Streamlit and Chromium the same way.
from tests.browser.conftest import CHROMIUM_FLAGS, Server, _start, _stop  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLES = ROOT / "assets" / "samples"
UPLOAD = '[data-testid="stFileUploaderDropzone"]'
VERDICT = '.decision[role="status"]'


def medians_ms(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Milliseconds of each way. They take turns, so that a busy machine slows all of them."""
    import numpy as np

    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: float(np.median(values)) for name, values in times.items()}


def table(rows: Mapping[str, str | float], unit: str = "ms") -> None:
    """Prints one line a row; numbers with their unit."""
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        shown = value if isinstance(value, str) else f"{value:9.1f} {unit}"
        print(f"{name:<{width}}{shown}", flush=True)


def machine() -> str:
    """Processor, cores and how busy it is: a figure without it means little."""
    with contextlib.suppress(OSError):
        cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        load = Path("/proc/loadavg").read_text().split()[0]
        return f"{cpu[1] if cpu else 'unknown CPU'}, {os.cpu_count()} cores, load {load}"
    return f"{os.cpu_count()} cores"


def large_film() -> bytes:
    """A sample as a JPEG of 1500 x 1200 px, the size of a film of the data set."""
    import cv2

    sample = cv2.imread(str(SAMPLES / "pneumonia-1.jpg"), cv2.IMREAD_GRAYSCALE)
    film = cv2.resize(sample, (1500, 1200), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


@contextlib.contextmanager
def chromium() -> Iterator["Page"]:
    """A page in a headless Chromium, dark as the app is: it need not reload for the theme."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        installed = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
        path = os.environ.get("CHROMIUM") or installed
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
        page.set_default_timeout(90_000)
        yield page
        browser.close()


@contextlib.contextmanager
def streamlit(log: Path) -> Iterator[Server]:
    """`streamlit run app.py`, started this moment; it may not answer yet."""
    server = _start(ROOT / "app.py", {}, log)
    try:
        yield server
    finally:
        _stop(server)


def open_page(page: "Page", server: Server) -> None:
    """Goes to the app as soon as its server answers."""
    from playwright.sync_api import Error

    while server.process.poll() is None:
        try:
            page.goto(server.url, wait_until="commit")
            return
        except Error:
            time.sleep(0.05)
    raise SystemExit(f"Streamlit ended. Its log:\n{server.log.read_text(errors='replace')}")


def click_sample(page: "Page", name: str) -> None:
    """Chooses a synthetic film, such as `pneumonia-1.jpg`."""
    key = "st-key-read-sample-" + re.sub(r"\W", "-", name)
    # A button with a tooltip has a hidden twin for narrow screens.
    page.locator(f".{key} button").first.click()
