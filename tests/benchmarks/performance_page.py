"""How long until the Performance page answers, first and again?

    python tests/benchmarks/performance_page.py

Real Chromium, the served bundle. It has answered when the sentence "It finds ..." is there. The
classifier has loaded before, as in a server that is in use.
"""

import statistics
import tempfile
import time
from pathlib import Path

from common import UPLOAD, VERDICT, chromium, click_sample, machine, open_page, streamlit, table

ANSWER = ".answer"
TIMES = 5


def main() -> None:
    """Prints the table as it goes."""
    print(f"{machine()}\n")
    with (
        tempfile.TemporaryDirectory() as name,
        chromium() as page,
        streamlit(Path(name) / "log.txt") as server,
    ):
        open_page(page, server)
        page.wait_for_selector(UPLOAD)
        click_sample(page, "normal-1.jpg")
        page.wait_for_selector(VERDICT)
        time.sleep(2)
        seconds = []
        for _ in range(TIMES):
            began = time.perf_counter()
            page.get_by_role("link", name="Performance").click()
            page.wait_for_selector(ANSWER)
            seconds.append(time.perf_counter() - began)
            page.get_by_role("link", name="Read an X-ray").click()
            page.wait_for_selector(UPLOAD)
            time.sleep(1)
        table({"click to the first answer": seconds[0]}, "s")
        table({"  median of the later ones": statistics.median(seconds[1:])}, "s")
        seconds = []
        for _ in range(TIMES):
            began = time.perf_counter()
            page.goto(f"{server.url}/performance", wait_until="commit")
            page.wait_for_selector(ANSWER)
            seconds.append(time.perf_counter() - began)
        table({"address opened to the answer, median": statistics.median(seconds)}, "s")


if __name__ == "__main__":
    main()
