"""The served bundle, reading X-rays."""

import json
import sys
import threading
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from model import overlay, xray
from model.config import ROOT, settings
from model.errors import BundleError
from model.nn import classifier as module
from model.nn import release
from model.nn.classifier import Classifier, fastest_precision
from model.nn.dataset import Example, patient_key, read_folder
from model.preprocessing import pixel_values, prepare
from tests.model.images import encode

SAMPLES = json.loads((ROOT / "assets" / "samples" / "samples.json").read_text("utf-8"))
SICK = [sample for sample in SAMPLES if sample["label"] == "pneumonia"]


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load(settings().bundle)


@pytest.fixture(scope="module")
def exact():
    return Classifier.load(settings().bundle, precision="float32")


@pytest.fixture(scope="module")
def films(samples):
    return [xray.read(path.read_bytes(), path.name) for path in samples.values()]


@pytest.fixture(scope="module")
def together(classifier, films):
    return classifier.predict(films)


@pytest.fixture
def blank():
    return xray.read(encode(np.full((200, 200), 90, np.uint8), "PNG"), "blank.png")


def probabilities(predictions):
    return [prediction.probability for prediction in predictions]


def test_a_prediction_is_whole(classifier, films, together):
    for film, prediction in zip(films, together, strict=True):
        assert 0 < prediction.probability < 1
        assert type(prediction.probability) is type(prediction.logit) is float
        scaled = prediction.logit / classifier.bundle.temperature
        assert prediction.probability == pytest.approx(1 / (1 + np.exp(-scaled)), abs=1e-6)
        # On the network's grid; a film with flat borders gets it put back on the whole film.
        side = classifier.bundle.input_px // 16
        whole = prepare(film.display()).box == (0, 1, 0, 1)
        assert prediction.heatmap.shape == ((side, side) if whole else (64, 64))
        assert prediction.heatmap.dtype == np.float32
        assert 0 <= prediction.heatmap.min() <= prediction.heatmap.max() <= 1
        assert prediction.model_version == classifier.bundle.model_version
        assert prediction.gate.status == "accepted"


def test_alone_is_the_same_as_in_a_batch_and_in_its_place(classifier, films, together):
    assert np.ptp(probabilities(together)) > 0.1  # else the order could not be told
    for film, expected in zip(films, together, strict=True):
        [alone] = classifier.predict([film])
        assert alone.probability == pytest.approx(expected.probability, abs=1e-3)
        assert alone.heatmap == pytest.approx(expected.heatmap, abs=2e-2)


def test_order_is_kept_over_several_batches(classifier, films, together, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    backwards = classifier.predict(films[::-1])
    assert probabilities(backwards) == pytest.approx(probabilities(together)[::-1], abs=1e-3)


def test_no_x_rays_no_predictions_and_no_pass(classifier):
    before = classifier.num_passes
    assert classifier.predict([]) == []
    assert classifier.num_passes == before


def test_refused_ones_take_no_part_in_the_pass(classifier, films, together, blank):
    before = classifier.num_passes
    first, refused, second = classifier.predict([films[0], blank, films[3]])
    assert classifier.num_passes == before + 2
    assert (refused.probability, refused.logit, refused.heatmap) == (None, None, None)
    assert refused.gate.status == "refused"
    assert refused.model_version == classifier.bundle.model_version
    assert [first.probability, second.probability] == pytest.approx(
        [together[0].probability, together[3].probability], abs=1e-3
    )


def test_nothing_but_refused_ones_needs_no_pass(classifier, blank):
    before = classifier.num_passes
    assert classifier.predict([blank, blank])[1].gate.status == "refused"
    assert classifier.num_passes == before


def test_samples_fall_on_their_side_of_the_default_threshold(classifier, together):
    threshold = classifier.bundle.operating_point().threshold
    said = {
        sample["file"]: "pneumonia" if prediction.probability >= threshold else "normal"
        for sample, prediction in zip(SAMPLES, together, strict=True)
    }
    assert said == {sample["file"]: sample["label"] for sample in SAMPLES}


def test_bfloat16_agrees_with_float32_on_the_samples(exact, films):
    rounded = Classifier.load(settings().bundle, precision="bfloat16")
    assert (exact.precision, rounded.precision) == ("float32", "bfloat16")
    ours = probabilities(rounded.predict(films))
    assert ours == pytest.approx(probabilities(exact.predict(films)), abs=0.01)


@pytest.mark.real_data
def test_bfloat16_agrees_with_float32_on_64_test_films(exact, shared_data):
    rounded = Classifier.load(settings().bundle, precision="bfloat16")
    examples = read_folder(shared_data / "chest_xray_224", "test")
    chosen = examples[:: len(examples) // 64][:64]
    assert {example.label for example in chosen} == {0, 1}
    films = [xray.read(example.path.read_bytes()) for example in chosen]
    ours = probabilities(rounded.predict(films))
    assert ours == pytest.approx(probabilities(exact.predict(films)), abs=0.01)


@pytest.mark.real_data
def test_original_and_small_copy_of_a_film_get_the_same_probability(classifier, shared_data):
    originals = sorted(shared_data.glob("originals/*/*.jpeg"))
    assert len(originals) == 48
    folder = shared_data / "chest_xray_224" / "train"
    copies = [folder / path.parent.name / path.name for path in originals]
    large, small = (
        probabilities(classifier.predict([xray.read(path.read_bytes()) for path in paths]))
        for paths in (originals, copies)
    )
    assert np.median(np.abs(np.subtract(large, small))) < 0.02


@pytest.mark.parametrize("sample", SICK, ids=lambda sample: sample["file"])
def test_the_heat_is_on_the_side_of_the_opacity(sample, together):
    heatmap = together[SAMPLES.index(sample)].heatmap
    columns = heatmap.sum(axis=0)
    assert columns.sum() > 0, "no heat at all"
    centre = (columns * (np.arange(len(columns)) + 0.5)).sum() / columns.sum() / len(columns)
    assert ("left" if centre < 0.5 else "right") == sample["where"]["side"], f"centre {centre:.2f}"


def test_grad_cam_equals_the_class_activation_map_of_the_release(exact, films, samples):
    chosen = {name: path for name, path in samples.items() if name.startswith("pneumonia")}
    examples = [Example(path, 1, patient_key(path.stem), "") for path in chosen.values()]
    greys = [prepare(film.display()).grey for film in films if film.name in chosen]
    _, evidence = exact.evidence(pixel_values(greys, exact.bundle.input_px))
    expected = release._class_activation(keras.saving.load_model(exact.bundle.weights), examples)
    assert expected.max() > 0
    assert evidence == pytest.approx(expected, abs=1e-3 * float(expected.max()))


def test_the_negative_of_a_film_gets_the_same_verdict_and_heat(classifier, films, together):
    negatives = [replace(film, pixels=255 - film.display(), window=(0, 255)) for film in films]
    for expected, got in zip(together, classifier.predict(negatives), strict=True):
        assert got.probability == pytest.approx(expected.probability, abs=2e-3)
        assert got.heatmap == pytest.approx(expected.heatmap, abs=2e-2)


@pytest.mark.parametrize("grey", [0, 255])
def test_a_film_in_a_frame_gets_the_same_verdict_and_its_heat_where_it_was(classifier, films, grey):
    film = next(film for film in films if film.name == SICK[1]["file"])
    height, width = film.display().shape
    inner = film.display()[height // 10 : -height // 10, width // 10 : -width // 10]
    assert prepare(inner).box == (0, 1, 0, 1)
    rows, columns = len(inner) // 8, len(inner[0]) // 5
    sides = (rows, 0, columns, 0)  # above and left
    framed = cv2.copyMakeBorder(inner, *sides, cv2.BORDER_CONSTANT, value=grey)
    expected, got = classifier.predict(
        [replace(film, pixels=pixels, window=(0, 255)) for pixels in (inner, framed)]
    )
    assert got.probability == pytest.approx(expected.probability, abs=2e-3)
    heat = overlay.stretch(expected.heatmap, inner.shape)
    assert heat.max() > 0.5
    on_film = overlay.stretch(got.heatmap, framed.shape)[rows:, columns:]
    assert np.abs(on_film - heat).mean() < 0.03


def says(classifier, monkeypatch, logit, evidence):
    """The network says this of every film; what the gate looks at stays as it is."""
    run = classifier._run
    answer = np.array([logit], np.float32), evidence[None].astype(np.float32)
    monkeypatch.setattr(classifier, "_run", lambda values: (*answer, run(values)[2]))


def test_no_evidence_is_a_map_of_zeros_not_nan(classifier, films, monkeypatch):
    side = classifier.bundle.input_px // 16
    says(classifier, monkeypatch, -9.0, np.zeros((side, side)))
    [prediction] = classifier.predict(films[:1])
    assert prediction.heatmap.shape == (side, side)
    assert (prediction.heatmap == 0).all()
    film = films[0].display()
    shown = overlay.overlay(film, overlay.stretch(prediction.heatmap, film.shape))
    assert (shown == film[..., None]).all()


def test_weak_evidence_stays_weak(classifier, films, monkeypatch):
    side, floor = classifier.bundle.input_px // 16, classifier.bundle.heat_floor
    says(classifier, monkeypatch, 0.0, np.full((side, side), floor / 4))
    [prediction] = classifier.predict(films[:1])
    assert prediction.heatmap == pytest.approx(0.25)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_network_that_gives_nan_gives_no_verdict(classifier, films, monkeypatch):
    side = classifier.bundle.input_px // 16
    says(classifier, monkeypatch, np.nan, np.zeros((side, side)))
    with pytest.raises(BundleError, match="nan"):
        classifier.predict(films[:1])


def test_two_threads_share_a_classifier(classifier, films, together):
    before, results = classifier.num_passes, {}

    def read(start, step):
        for _ in range(3):
            results.setdefault(start, []).append(classifier.predict(films[start::step]))

    threads = [threading.Thread(target=read, args=(i, 2)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for start in range(2):
        assert len(results[start]) == 3
        for predictions in results[start]:
            expected = probabilities(together[start::2])
            assert probabilities(predictions) == pytest.approx(expected, abs=1e-3)
    assert classifier.num_passes == before + 3 * len(films)


def test_weights_are_constants_of_the_graph(classifier):
    """Else oneDNN reorders them at every pass, which doubles the time for one X-ray."""
    assert len(classifier._pass.variables) == 0


def test_precision_follows_the_processor(monkeypatch):
    def flags(text):
        monkeypatch.setattr(module.Path, "read_text", lambda path: text)
        return fastest_precision()

    assert flags("flags : avx512f avx512_bf16") == "bfloat16"
    assert flags("flags : amx_bf16") == "bfloat16"
    assert flags("flags : avx2") == "float32"


def test_without_a_word_on_the_processor_it_is_float32(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(module.Path, "read_text", missing)
    assert fastest_precision() == "float32"


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Classifier.load(tmp_path)


def test_streamlit_cannot_throw_the_graphs_away(monkeypatch):
    cleared = []
    monkeypatch.setattr(keras.backend, "clear_session", lambda: cleared.append(1))
    module.keep_graphs()
    sys.modules["keras"].backend.clear_session()  # as streamlit's script runner does
    assert cleared == []
