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

from tests.browser.app_window import settle
from tests.browser.conftest import ROOT, START_SECONDS, _free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse battery"
HOSTILE = "<img src=x onerror=alert(1)> *Bo*"
# What has the focus, by the name that is read out.
FOCUSED = """() => {
  const e = document.activeElement;
  const text = e.matches("a, button, summary, [role=tab]") ? e.innerText : "";
  return e.getAttribute("aria-label") || e.labels?.[0]?.innerText || text;
}"""
PEOPLE = {
    "zoe": {"email": "zoe@clinic.example", "email_verified": True},
    "eve": {"email": "zoe@clinic.example", "email_verified": False},
    "bo": {"email": "bo@clinic.example"},  # as Microsoft Entra ID says it
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one account, of an admin."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "model", "users", "add", "ann", "--role", "admin"]
    done = subprocess.run(
        [*command, "--password-stdin"], cwd=ROOT, input=PASSWORD, text=True,
        env={**os.environ, "XRAY_HOME": str(home)}, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], home: Path) -> str:
    """A server with that home."""
    return serve(ROOT / "app.py", {"XRAY_HOME": str(home)})


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


# That of Streamlit's older kind of app, with the names of the files in pages/.
NOTES_THE_OTHER_MENU = """new MutationObserver(() => {
  if (document.querySelector("[data-testid=stSidebarNav]")) sessionStorage.setItem("other menu", 1);
}).observe(document, { childList: true, subtree: true });"""


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Password", exact=True).wait_for()
    settle(page)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def choose(page: Page, group: str, title: str) -> None:
    page.get_by_role("navigation").get_by_role("button", name=group).click()
    page.get_by_role("menuitem", name=title).click()


def test_sign_in_with_a_local_account_and_out(url: str, new_page: Callable[..., Page]) -> None:
    page = new_page(color_scheme="light")
    page.add_init_script(NOTES_THE_OTHER_MENU)
    page.goto(url)  # as the server's first visitor
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    sign_in(page, "ann", "wrong password")
    page.get_by_text("Check both, then try again.").wait_for()
    sign_in(page, "ann")
    page.get_by_role("heading", name="Account").wait_for()

    choose(page, "Manage", "Admin")
    page.get_by_role("tab", name="Accounts").click()
    page.get_by_role("textbox", name="Name").wait_for()
    settle(page)  # what is typed into a form that is drawn anew is lost
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
    assert page.evaluate("sessionStorage.getItem('other menu')") is None


def is_signed_in(page: Page, url: str) -> bool:
    """What the page Sign in says in a document of its own."""
    page.goto(f"{url}/sign_in")
    heading = page.get_by_role("heading", level=1)
    heading.wait_for()
    return heading.inner_text() == "Account"


def test_a_sign_in_outlives_reload_and_restart_and_ends_everywhere(
    serve: Callable[..., str], url: str, home: Path, new_page: Callable[..., Page]
) -> None:
    here, there = new_page(), new_page()
    for page in (here, there):
        assert not is_signed_in(page, url)
        with page.expect_response(f"{url}/session") as answer:
            sign_in(page, "ann")
        assert answer.value.status == 204
        page.get_by_role("heading", name="Account").wait_for()
    [cookie] = [c for c in here.context.cookies() if c["name"] == "pneumoscope_session"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert 11 * 3600 < cookie["expires"] - time.time() <= 12 * 3600
    assert cookie["value"] not in here.evaluate("document.cookie + JSON.stringify(localStorage)")

    here.reload()
    here.get_by_role("heading", name="Account").wait_for()
    restarted = serve(ROOT / "app.py", {"XRAY_HOME": str(home)})  # cookies know no ports
    assert is_signed_in(here, restarted)

    with here.expect_response(f"{restarted}/session"):
        here.get_by_role("button", name="Sign out").click()
    here.get_by_role("heading", name="Sign in").wait_for()
    assert "pneumoscope_session" not in [c["name"] for c in here.context.cookies()]
    assert not is_signed_in(here, url)
    assert not is_signed_in(there, url)


def test_another_site_cannot_sign_a_browser_in_or_out(url: str, page: Page) -> None:
    page.goto(url.replace("127.0.0.1", "localhost"))  # another site in all but the server
    said = page.evaluate(
        """url => fetch(url, {method: "POST", headers: {"X-Ticket": "x"}})
               .then(r => "answered " + r.status, e => "refused")""",
        f"{url}/session",
    )
    assert said == "refused"


def test_the_theme_loads_a_document_again_only_before_anything_was_done(
    url: str, new_page: Callable[..., Page]
) -> None:
    page = new_page(color_scheme="light")
    documents = "performance.timeOrigin"  # of each document its own
    page.goto(f"{url}/about")
    page.wait_for_function("localStorage.getItem('pneumoscope-theme-/about')")
    page.wait_for_function(
        "getComputedStyle(document.querySelector('.stApp') ?? document.body).backgroundColor"
        " === 'rgb(13, 19, 23)'"
    )
    document = page.evaluate(documents)
    page.get_by_role("link", name="Sign in").click()  # an address of its first visit
    page.get_by_role("heading", name="Sign in").wait_for()
    sign_in(page, "ann")
    page.get_by_role("heading", name="Account").wait_for()
    for group, title in (("Manage", "Admin"), ("Trust", "About"), ("Manage", "Account")):
        choose(page, group, title)
        page.get_by_role("heading", name=title, level=1).wait_for()
        page.get_by_text("Not a medical device").first.wait_for()
    assert page.evaluate(documents) == document


def test_signing_in_and_the_accounts_by_keyboard(url: str, page: Page) -> None:
    def tab_to(name: str, most: int = 30) -> None:
        """Presses Tab until what has the focus is called this, to a screen reader too."""
        for _ in range(most):
            page.keyboard.press("Tab")
            if name in page.evaluate(FOCUSED):
                return
        raise AssertionError(f"No {name} within {most} times Tab")

    assert not is_signed_in(page, url)
    page.get_by_label("Password", exact=True).wait_for()
    settle(page)
    tab_to("Name")
    page.keyboard.type("ann")
    tab_to("Password", 1)
    page.keyboard.type("wrong password")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Check both").wait_for()
    page.wait_for_function("document.activeElement.value === ''")
    assert "Password" in page.evaluate(FOCUSED)  # where to try again
    page.keyboard.type(PASSWORD)
    with page.expect_response(f"{url}/session"):
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="Account").wait_for()

    page.goto(f"{url}/sign_in")
    page.get_by_role("heading", name="Account").wait_for()
    settle(page)
    tab_to("Manage")
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Admin").and_(page.locator(":focus")).wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Admin", level=1).wait_for()
    page.goto(f"{url}/admin?tab=Accounts")
    page.get_by_role("button", name="Add account").wait_for()
    settle(page)
    tab_to("Accounts")
    for name in ("Account", "Role", "Change role", "Deactivate", "New password", "Name"):
        tab_to(name, 4)
    page.keyboard.type("bo")
    tab_to("Role", 1)
    tab_to("New password", 1)
    page.keyboard.type(PASSWORD)
    tab_to("Add account", 2)
    page.keyboard.press("Enter")
    page.get_by_role("cell", name="bo", exact=True).wait_for()
    page.get_by_role("tab", name="Accounts").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Check the trail").wait_for()


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
        '[auth.roles]\nadmin = ["zoe@clinic.example"]\nclinician = ["bo@clinic.example"]\n'
        "trust_unverified_email = true\n"
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

    sign_in_as("eve")  # the address is zoe's, but the provider says it is not verified
    page.get_by_role("link", name="Sign in").click()
    page.get_by_text("does not say that it has verified").wait_for()
    sign_out()

    sign_in_as("bo")  # the provider says nothing about the address, which the settings trust
    page.goto(f"{url}/sign_in")
    page.get_by_text("Signed in as bo@clinic.example, clinician").wait_for()
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
