"""How long from `streamlit run app.py` to work, and how much memory does it take?

    python tests/benchmarks/startup.py [--readings 50]

Real Chromium. First paint is when the field for uploads is there; a reading is over when its
decision is there. Memory is what the server holds resident (Linux), in one visitor's session.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from common import (
    UPLOAD,
    VERDICT,
    chromium,
    click_sample,
    machine,
    open_page,
    rss_mb,
    streamlit,
    table,
)

# In turns normal and ill, so that each reading says another probability than the one before.
FILMS = [
    "normal-1.jpg", "pneumonia-1.jpg", "normal-2.jpg", "pneumonia-2.jpg",
    "normal-3.jpg", "pneumonia-3.jpg", "normal-1.jpg", "pneumonia-4.dcm",
]  # fmt: skip
MARKS = (1, 10, 25, 50, 100, 200)
SAID = "document.querySelector('.decision svg.scale')?.getAttribute('aria-label')"


def main(readings: int) -> None:
    """Prints the table as it goes."""
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name, chromium() as page:
        began = time.perf_counter()
        with streamlit(Path(name) / "log.txt") as server:
            open_page(page, server)
            page.wait_for_selector(UPLOAD)
            table({"streamlit run to first paint": time.perf_counter() - began}, "s")
            table({"  memory before a reading": rss_mb(server.process.pid)}, "MB")
            clicked, times = time.perf_counter(), []
            for count, film in zip(range(1, readings + 1), itertools.cycle(FILMS), strict=False):
                said, at = page.evaluate(SAID), time.perf_counter()
                click_sample(page, film)
                page.wait_for_selector(VERDICT)
                page.wait_for_function(f"said => {SAID} && {SAID} !== said", arg=said)
                times.append(1000 * (time.perf_counter() - at))
                if count == 1:
                    table({"click on a sample to its decision": times[0] / 1000}, "s")
                    table({"streamlit run to that decision": time.perf_counter() - began}, "s")
                if count in MARKS:
                    table({f"  memory after {count} readings": rss_mb(server.process.pid)}, "MB")
            later = times[1:]
            if later:
                table({"median of the later readings": statistics.median(later)})
            print(f"{readings} readings in {time.perf_counter() - clicked:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--readings", type=int, default=50)
    main(parser.parse_args().readings)
