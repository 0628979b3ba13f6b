"""The figures of README.md are those of the bundle that is shipped."""

from pathlib import Path

from model import metrics, performance
from model.bundle import open_bundle

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_of_figures_is_that_of_the_shipped_bundle():
    bundle = open_bundle(ROOT / "model" / "weights")
    test = bundle.evaluations["test"]
    threshold = bundle.operating_point().threshold
    of = metrics.figures(test.labels, bundle.probabilities("test"), threshold, test.patients)
    rows = [f"| AUROC | {of['auroc']:.3f} | {of['auroc_ci'][0]:.3f} to {of['auroc_ci'][1]:.3f} |"]
    for name in ("accuracy", "sensitivity", "specificity"):
        low, high = of[f"{name}_ci"]
        rows.append(f" | {100 * of[name]:.1f} % | {100 * low:.1f} to {100 * high:.1f} |")
    rows.append(f"| expected calibration error | {of['ece']:.3f} | |")
    text = (ROOT / "README.md").read_text("utf-8")
    for row in rows:
        assert row in text


def test_so_are_the_counts_of_the_gate():
    split = performance.gate(open_bundle(ROOT / "model" / "weights")).groups[0]
    counts = [["none", "one", "two", "three"][r.numerator] for r in (split.refused, split.unusual)]
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    said = f"The gate refused {counts[0]} of the {split.num_images} and called {counts[1]} unusual."
    assert said in text


def test_so_are_the_ranges_under_changes():
    bundle = open_bundle(ROOT / "model" / "weights")
    threshold = bundle.operating_point().threshold
    of = [change.figures(threshold) for change in performance.robustness(bundle)]
    aurocs = [f"{figures.auroc.value:.3f}"[1:] for figures in of]
    specificities = [f"{figures.specificity.value:.2f}"[1:] for figures in of]
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"stays between {min(aurocs)} and {max(aurocs)}" in text
    assert len(of) > 10
    assert f"threshold between {min(specificities)} and {max(specificities)}." in text
