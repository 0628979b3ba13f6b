"""A Chromium, and Streamlit servers for it, for the tests that need a real browser.

    def test_title(serve, page):
        page.goto(serve(ROOT / "app.py"))

`CHROMIUM` names the browser; else /usr/bin/chromium, else the one Playwright has installed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

ROOT = Path(__file__).resolve().parents[2]
Reports = Generator[None, pytest.TestReport, pytest.TestReport]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
START_SECONDS = 180  # a busy machine; a quiet one takes two
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    url: str
    log: Path


_running: list[Server] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Reports:
    """Show the logs of the running servers under a failed test."""
    report = yield
    if report.failed:
        for server in _running:
            log = server.log.read_text(errors="replace")[-4000:]
            report.sections.append((f"Streamlit at {server.url}", log))
    return report


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(script: Path, env: Mapping[str, str], log: Path) -> Server:
    port = _free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", str(script),
        "--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true",
        "--server.fileWatcherType=none", "--browser.gatherUsageStats=false",
    ]  # fmt: skip
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdout=stream, stderr=subprocess.STDOUT
        )
    return Server(process, f"http://127.0.0.1:{port}", log)


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=2).close()
            return
        time.sleep(0.1)
    pytest.fail(f"Streamlit did not start. Its log:\n{server.log.read_text(errors='replace')}")


def _stop(server: Server) -> None:
    server.process.terminate()
    try:
        server.process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


@contextlib.contextmanager
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts servers, see `serve`; stops them at the end."""
    mine: list[Server] = []

    def start(script: str | Path, env: Mapping[str, str] | None = None) -> str:
        log = tmp_path_factory.mktemp("streamlit") / "log.txt"
        server = _start(Path(script), env or {}, log)
        mine.append(server)
        _running.append(server)
        _wait_until_healthy(server)
        return server.url

    yield start
    for server in mine:
        _stop(server)
        _running.remove(server)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """serve(script, env=None) -> URL of a Streamlit server, which runs until the module ends.

    env: added to the environment; Streamlit's options too, such as STREAMLIT_THEME_BASE.
    """
    with _servers(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def viewer_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page with the viewer and nothing else, `viewer_app.py`."""
    with _servers(tmp_path_factory) as start:
        yield start(Path(__file__).with_name("viewer_app.py"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests."""
    api = pytest.importorskip("playwright.sync_api")
    installed = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    with api.sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or installed
        if not Path(path or playwright.chromium.executable_path).exists():
            pytest.skip("No Chromium: set CHROMIUM or run `playwright install chromium`.")
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def _watched_pages(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; fails at the end if one of them threw what nobody caught.

    That includes what Streamlit caught from a component of ours. Other errors of the console are
    printed, which pytest shows under a failed test.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def note(line: ConsoleMessage) -> None:
        if line.type == "error":
            problems.append(line.text)

    def open_page(**options: Any) -> Page:
        # Dark, as the app is: else the first visit reloads the page once (pages/shared/frame.py).
        desktop = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}
        context = browser.new_context(**{**desktop, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # a busy machine is not a broken page
        page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
        page.on("console", note)
        return page

    yield open_page
    for context in contexts:
        context.close()
    print(*problems, sep="\n")
    uncaught = [text for text in problems if "uncaught" in text.lower() or "BidiComponent" in text]
    assert not uncaught, "Errors in the browser:\n" + "\n".join(uncaught)


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """new_page(**options) -> a page in a context of its own, such as `has_touch=True`."""
    with _watched_pages(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def module_page(browser: Browser) -> Iterator[Page]:
    """A page on a desktop screen that all tests of a module share: loading Streamlit takes 2 s."""
    with _watched_pages(browser) as open_page:
        yield open_page()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page on a desktop screen, 1280 x 900."""
    return new_page()
