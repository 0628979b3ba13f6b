"""Performance: what each of the other tabs shows."""

from pathlib import Path

from model import looks_said, performance
from model.bundle import Bundle
from pages.shared.trust import evidence
from tests.model import version_cases as versions
from tests.pages.performance_cases import Page, Serve, estimate, films, rate
from tests.pages.performance_cases import full as full
from tests.pages.performance_cases import serve as serve


def test_reliability_before_and_after(full: Bundle) -> None:
    page, found = Page("Calibration"), performance.calibration(full, "test")
    assert [metric.value for metric in page.at.metric] == [
        f"{found.ece_before:.3f}",
        f"{found.ece_after:.3f}",
    ]
    for caption in ("As the network gives them", "As shown, temperature 0.50"):
        assert sum(int(row[1]) for row in page.table(caption)[1:]) == 60


def test_each_change_has_a_row_with_its_loss(full: Bundle) -> None:
    page = Page("Robustness")
    rows = {row[0]: row[1:] for row in page.table("under changes")[1:]}
    figures = {c.title: c.figures(0.4) for c in performance.robustness(full)}
    plain, dark = figures["As it is"], figures["Brightness - 20 %"]
    assert rows["As it is"][1::2] == ["0.000", "0.0", "0.0"]
    assert rows["Brightness - 20 %"][0] == estimate(dark.auroc)
    assert rows["Brightness - 20 %"][1] == f"{plain.auroc.value - dark.auroc.value:.3f}"
    loss = 100 * (plain.sensitivity.value - dark.sensitivity.value)
    assert rows["Brightness - 20 %"][3] == f"{loss:.1f}"
    assert rows["JPEG quality 20"][-1] == "2"
    assert len(page.charts()) == 1


def test_the_lungs_taken_away_and_alone(full: Bundle) -> None:
    page, found = Page("Lungs"), performance.shortcuts(full)
    assert found is not None
    assert found.heat is not None
    assert looks_said.lungs(found)[0] in page.text
    rows = {row[0]: row[1:] for row in page.table("loss is against")[1:]}
    assert list(rows) == [variant.title for variant in found.variants]
    assert rows["As it is"] == ["Whole X-ray", estimate(found.whole.auroc), "0.000"]
    assert rows["Lungs blurred"] == ["Lungs taken away", estimate(found.removed.auroc), "0.275"]
    heat = {row[0]: row[1] for row in page.table("that it calls pneumonia")[1:]}
    assert heat["Ratio"] == estimate(found.heat.ratio)
    variants, histogram = page.charts()
    dots = variants["layer"][-1]["data"]
    assert {dot["variant"]: dot["value"] for dot in dots} == {
        variant.title: variant.auroc.value for variant in found.variants
    }
    of_heat = [point for point in histogram["data"] if point["class"] == "Heat in the lungs"]
    assert sum(point["count"] for point in of_heat[:-1]) == len(found.heat.shares)


def test_the_heatmaps_against_their_controls(full: Bundle) -> None:
    page, found = Page("Heatmaps"), performance.heatmaps(full)
    assert found is not None
    for sentence in looks_said.heatmaps(found):
        assert sentence in page.text
    rows = page.table("Area under the curves")
    assert rows[0] == ["Map", "Curve", "Area", "p against Random map", "p against Centred Gaussian"]
    [offered] = found.offered
    area = estimate(offered.deletion.auc)
    assert rows[1] == ["Grad-CAM (offered)", "deletion", area, "< 0.001", "< 0.001"]
    assert rows[-1][3:] == ["–", "–"]
    assert "It is: passed." in page.text.replace("*", "")
    samples = page.table("Drawn X-rays")
    assert samples[1] == ["left.png", "left", "31 %, 55 %", "yes"]
    assert samples[3][2:] == ["no heat", "no"]
    deletion, insertion, layers = page.charts()
    shown = [point["y"] for point in insertion["data"] if point["map"] == "Grad-CAM"]
    assert shown == offered.insertion.curve.tolist()
    assert len(deletion["data"]) == 3 * len(found.fractions)
    line = next(layer["data"] for layer in layers["layer"] if "similarity" in layer["data"][0])
    assert line[0] == {"layer": "logit", "similarity": 0.8}


def test_a_check_that_fails_is_said(full: Bundle) -> None:
    versions.write_heatmaps(full, passes=False)
    assert "It is not: failed." in Page("Heatmaps").text.replace("*", "")


def test_the_gate_on_each_kind_of_image(full: Bundle) -> None:
    versions.write_gate(full, lost=2)
    page, found = Page("Gate"), performance.gate(full)
    assert found is not None
    assert looks_said.gate(found)[0] in page.text
    assert "widened after the official test split had been opened" in page.text
    rows = page.table("Refused: no probability")[1:]
    assert rows[0] == ["Test split", "read", "60", *map(rate, (
        found.groups[0].accepted, found.groups[0].unusual, found.groups[0].refused
    ))]  # fmt: skip
    assert rows[-1][:2] == ["Noise", "refused"]
    [chart] = page.charts()
    lines = [layer["data"][0] for layer in chart["layer"] if "at" in layer["data"][0]]
    assert {line["at"] for line in lines} == {found.unusual_from, found.refused_from}


def test_networks_leak_and_the_missing(full: Bundle) -> None:
    page = Page("Networks")
    rows = {row.name: row for row in performance.rows(full)}
    shown = {row[0]: row[1:] for row in page.table("Protocol 1")[1:]}
    assert list(shown) == ["Multilayer perceptron", "CNN with augmentation", "VGG16, as served"]
    assert shown["CNN with augmentation"][3] == estimate(rows["cnn"].auroc)
    assert shown["VGG16, as served"][:3] == ["14.7", "64", "60"]
    assert "VGG16, frozen ImageNet features. The ImageNet weights could not be fetched" in page.text
    assert "Where the intervals overlap no leak is shown" in " ".join(page.text.split())
    [leak] = page.table("Protocol 2")[1:]
    grouped, ungrouped = rows["cnn_150_grouped"].auroc, rows["cnn_150_ungrouped"].auroc
    assert leak[2:5] == [
        estimate(grouped),
        estimate(ungrouped),
        f"{ungrouped.value - grouped.value:+.3f}",
    ]
    curves = {point["network"] for point in page.charts()[0]["data"]}
    assert curves == set(shown)


def test_one_network_has_its_curves_and_confusion_matrix(full: Bundle) -> None:
    page = Page("Networks")
    assert len(page.table("VGG16, as served: test X-rays")) == 3
    page.at.selectbox(key="performance.network").select("cnn").run()
    counts = {row.name: row for row in performance.rows(full)}["cnn"].confusion
    table = page.table("CNN with augmentation: test X-rays")
    assert table[2][1:] == [
        f"{counts.false_positives} false alarms",
        f"{counts.true_negatives} cleared",
    ]
    loss, accuracy = page.charts()[-2:]
    sets = {point["set"] for point in loss["data"]}
    assert sets == {"Training", "Validation"}
    assert [p["value"] for p in accuracy["data"] if p["set"] == "Training"] == [
        line["accuracy"] for line in versions.epochs(5)
    ]


def test_curves_that_were_not_written_are_said_to_be_missing(serve: Serve) -> None:
    old = [{"epoch": 0, "loss": 0.5, "validation_loss": 0.4}]
    serve(lambda folder: versions.write_version(folder, training={"curves": old}))
    assert "did not write down its accuracy" in Page("Networks").text


def test_the_data_set_in_numbers(full: Bundle) -> None:
    page = Page("Data")
    assert page.table("Class balance")[1] == ["train", "1,341", "3,875", "2,530", "1,345", "2,790"]
    assert page.table("Image sizes")[1] == ["224 x 224 px", "5,840"]
    assert page.captions == ["Mean image: Normal", "Mean image: Pneumonia"]
    assert "30 groups of identical files" in page.text.replace("*", "")
    assert "XRAY_DATA" in page.text
    assert len(page.charts()) == 3


def test_random_films_change_on_request(serve: Serve, tmp_path: Path) -> None:
    bundle = serve(versions.write_all, tmp_path / "data")
    films(tmp_path / "data", bundle)

    page = Page("Data")
    first = page.captions[2:]
    assert len(first) == len(set(first)) == 10
    assert [caption.split()[-1] for caption in first] == ["normal"] * 5 + ["pneumonia"] * 5
    page.at.button(key="performance.draw").click().run()
    assert page.captions[2:] != first
    assert evidence.random_films(5, seed=1) == evidence.random_films(5, seed=1)
