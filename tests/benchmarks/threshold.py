"""How fast does the decision follow the threshold? Real Chromium against `streamlit run app.py`.

    python tests/benchmarks/threshold.py [--moves 20]

Arrow keys on the slider; the time runs in the browser from the key press until the drawing of the
decision says the new threshold. The server counts its forward passes meanwhile: none is needed.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from common import VERDICT, chromium, click_sample, machine, open_page, streamlit, table

# Python runs a sitecustomize.py on its path at every start: this one counts forward passes.
COUNTER = """
import os, sys, threading, time

def watch():
    while not hasattr(sys.modules.get("model.nn.classifier"), "Classifier"):
        time.sleep(0.02)
    kind = sys.modules["model.nn.classifier"].Classifier
    usual = kind.evidence

    def counted(self, values):
        with open(os.environ["XRAY_COUNT_PASSES"], "a") as file:
            file.write("x" * len(values))
        return usual(self, values)

    kind.evidence = counted

threading.Thread(target=watch, daemon=True).start()
"""
WATCH = """() => {
  const said = () => document.querySelector(".decision svg.scale")?.getAttribute("aria-label");
  window.moves = [];
  let pressed = 0, before = said();
  addEventListener("keydown", event => { pressed = event.timeStamp; before = said(); }, true);
  new MutationObserver(() => {
    const now = said();
    if (!pressed || !now || now === before) return;
    window.moves.push(performance.now() - pressed);
    pressed = 0;
  }).observe(document.body, { subtree: true, childList: true, characterData: true,
                              attributes: true });
}"""


def main(moves: int) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(COUNTER)
        counted = folder / "passes"
        counted.write_text("")
        os.environ["XRAY_COUNT_PASSES"] = str(counted)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, [name, os.environ.get("PYTHONPATH")])
        )
        with streamlit(folder / "log.txt") as server, chromium() as page:
            open_page(page, server)
            click_sample(page, "pneumonia-1.jpg")
            page.wait_for_selector(VERDICT)
            time.sleep(3)  # the viewer paints, the server collects garbage
            before = counted.stat().st_size
            page.evaluate(WATCH)
            page.get_by_role("slider").first.focus()
            for move in range(moves):
                page.keyboard.press("ArrowLeft" if move % 2 else "ArrowRight")
                page.wait_for_function("count => window.moves.length > count", arg=move)
                page.wait_for_timeout(300)
            times = sorted(page.evaluate("window.moves"))
            passes = counted.stat().st_size - before
    print(f"{machine()}\n{moves} moves, from key press to the changed decision\n")
    rows: dict[str, str | float] = {
        "median": statistics.median(times),
        "fastest": times[0],
        "slowest": times[-1],
        "forward passes before the moves": f"{before:9d}",
        "forward passes in the moves": f"{passes:9d}",
    }
    table(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moves", type=int, default=20)
    main(parser.parse_args().moves)
