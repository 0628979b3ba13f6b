"""How quick is the worklist page with 2,000 films? Real Chromium against `streamlit run app.py`.

    python tests/benchmarks/worklist_page.py [--films 2000] [--rounds 7]

The list is in the database, as after a restart of the server: made up, no film is read. Times run
from the key press, click or address to the words on the page that say it is done.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import ROOT, chromium, machine, open_page, streamlit, table

PASSWORD = "correct horse battery staple"
MAKE = """
import sys
import numpy as np
from model.clinic import worklists
from model.people import accounts
from model.people.access import COMMAND_LINE, Actor
from model.clinic.worklists import Reading
from model.versions.registered import served_version

ann, num = Actor("ann", "clinician"), int(sys.argv[1])
accounts.add(COMMAND_LINE, "ann", "clinician", sys.argv[2])
number = worklists.create(ann, "Monday", [f"ward/{n:04}.png" for n in range(num)])
chances = np.random.default_rng(0).beta(0.4, 0.4, num)
version = served_version()
worklists.save_readings(ann, number, {
    n: Reading(f"{n:064x}", version, "grey", float(chances[n]), 0.0, "", "accepted", 1.0, "")
    for n in range(num)
})
"""


def main(num_films: int, rounds: int) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"XRAY_HOME": name, "XRAY_DATABASE_URL": ""}
        made = [sys.executable, "-c", MAKE, str(num_films), PASSWORD]
        subprocess.run(made, cwd=ROOT, check=True)
        with streamlit(Path(name) / "log.txt") as server, chromium() as page:
            open_page(page, server)
            page.goto(f"{server.url}/worklist")
            page.get_by_label("Name", exact=True).fill("ann")
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            with page.expect_response("**/session"):
                page.keyboard.press("Enter")
            counts = page.get_by_text("Pneumonia likely:")
            slider = page.get_by_role("slider").first
            search = page.get_by_test_id("stTextInputField")

            def ms(act: Callable[[], object], done: Callable[[], object]) -> float:
                page.wait_for_selector('[data-test-script-state="notRunning"]')
                page.wait_for_timeout(500)
                began = time.perf_counter()
                act()
                done()
                return 1000 * (time.perf_counter() - began)

            def move() -> float:
                before = counts.inner_text()
                key = "PageUp" if float(slider.input_value()) < 0.5 else "PageDown"
                changed = "t => !document.body.innerText.includes(t)"
                return ms(
                    lambda: slider.press(key), lambda: page.wait_for_function(changed, arg=before)
                )

            def find(words: str, shown: int) -> float:
                def look() -> None:
                    search.fill(words)
                    search.press("Enter")

                hidden = page.get_by_text(f"{num_films - shown} hidden")
                state = "visible" if shown < num_films else "hidden"
                return ms(
                    look, lambda: hidden.or_(page.get_by_text("hidden by")).wait_for(state=state)
                )

            def export(kind: str) -> float:
                def click() -> None:
                    with page.expect_download() as got:
                        page.get_by_role("button", name=kind, exact=True).click()
                    got.value.path()

                return ms(click, lambda: None)

            def paint() -> float:
                return ms(lambda: page.goto(f"{server.url}/worklist"), counts.wait_for)

            counts.wait_for()
            found: dict[str, list[float]] = {}
            for _ in range(rounds):
                for title, act in {
                    "address opened to the table": paint,
                    "threshold moved": move,
                    "search for one film": lambda: find("0007.png", 1),
                    "search emptied": lambda: find("", num_films),
                    "export CSV": lambda: export("CSV"),
                    "export JSON": lambda: export("JSON"),
                }.items():
                    found.setdefault(title, []).append(act())
    print(f"{machine()}\n{num_films} films, medians of {rounds}\n")
    table({title: statistics.median(times) for title, times in found.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    main(options.films, options.rounds)
