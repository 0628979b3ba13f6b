"""Signing in and out in a real browser: with a local account, and at an OpenID Connect provider."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import ROOT, START_SECONDS, _free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse battery"
HOSTILE = "<img src=x onerror=alert(1)> *Bo*"
PEOPLE = {
    "zoe": {"email": "zoe@clinic.example", "email_verified": True},
    "eve": {"email": "zoe@clinic.example", "email_verified": False},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one account, of an admin."""
    command = [sys.executable, "-m", "model", "users", "add", "ann", "--role", "admin"]
    done = subprocess.run(
        [*command, "--password-stdin"], cwd=ROOT, input=PASSWORD, text=True,
        env={**os.environ, "XRAY_HOME": str(tmp_path / "home")}, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tmp_path / "home"


@pytest.fixture
def provider() -> Iterator[str]:
    """The URL of a real OpenID Connect provider on this machine that knows PEOPLE."""
    pytest.importorskip("oidc_provider_mock")
    port = _free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "-n", "true"]
    for name, claims in PEOPLE.items():
        command += ["--user-claims", json.dumps({"sub": name, **claims})]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/.well-known/openid-configuration").close()
                break
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def choose(page: Page, group: str, title: str) -> None:
    page.get_by_role("navigation").get_by_role("button", name=group).click()
    page.get_by_role("menuitem", name=title).click()


def test_sign_in_with_a_local_account_and_out(
    serve: Callable[..., str], home: Path, new_page: Callable[..., Page]
) -> None:
    # In a browser that prefers light a first visit may load a page twice: not within a session.
    page = new_page(color_scheme="light")
    page.goto(serve(ROOT / "app.py", {"XRAY_HOME": str(home)}))
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    sign_in(page, "ann", "wrong password")
    page.get_by_text("Check both, then try again.").wait_for()
    sign_in(page, "ann")
    page.get_by_role("heading", name="Account").wait_for()

    choose(page, "Manage", "Admin")
    page.get_by_role("textbox", name="Name").fill(HOSTILE)
    page.get_by_label("New password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("cell", name=HOSTILE).wait_for()  # as text
    assert page.locator("img[src=x]").count() == 0
    page.get_by_role("tab", name="Audit").click()
    page.get_by_role("cell", name="sign-in refused").wait_for()
    page.get_by_role("button", name="Check the trail").click()
    page.get_by_text("The trail is whole").wait_for()

    choose(page, "Manage", "Account")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.get_by_text("Manage", exact=True).count() == 0


def test_sign_in_at_a_provider_and_out(
    serve: Callable[..., str], provider: str, tmp_path: Path, page: Page
) -> None:
    # `{port}` is Streamlit's own. Its secrets are looked for in the folder of the user.
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(
        "[auth]\n"
        'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
        'cookie_secret = "only for this test, and long enough"\n'
        'client_id = "pneumoscope"\nclient_secret = "secret"\n'
        f'server_metadata_url = "{provider}/.well-known/openid-configuration"\n'
        '[auth.roles]\nadmin = ["zoe@clinic.example"]\n'
    )
    environment = {"XRAY_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    url = serve(ROOT / "app.py", environment)

    def sign_in_as(name: str) -> None:
        page.goto(f"{url}/sign_in")
        page.get_by_role("button", name="Sign in at your provider").click()
        page.wait_for_url(f"{provider}/**")
        page.get_by_role("button", name=name).click()
        page.wait_for_url(f"{url}/**")

    def sign_out() -> None:
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{provider}/**")  # which ends its own session too

    sign_in_as("eve")  # the address is zoe's, but nobody has verified it
    page.get_by_role("link", name="Sign in").click()
    page.get_by_text("has not verified").wait_for()
    sign_out()

    sign_in_as("zoe")
    choose(page, "Manage", "Admin")
    page.get_by_role("tab", name="Audit").click()
    page.get_by_role("cell", name="zoe@clinic.example", exact=True).wait_for()
    page.goto(f"{url}/sign_in")  # a new session, the same sign-in
    page.get_by_text("Signed in as zoe@clinic.example, admin").wait_for()
    sign_out()
    page.goto(f"{url}/admin")
    page.get_by_text("This page is for admins").wait_for()
