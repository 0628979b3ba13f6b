"""A served version, its readings, and a reader who has chosen Spanish."""

from dataclasses import replace

import pytest

from model import language, xray
from model.prediction import Gate, Prediction
from model.reading_report import ReadingContent
from tests.model import images
from tests.model import version_cases as versions
from tests.model.report_cases import NOW, heat


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return versions.write_version(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def reading(bundle):
    """data, options -> content; `prediction` holds changes of the prediction."""

    def make(data=None, prediction=(), **options):
        film = xray.read(data if data else images.encode(images.film(300, 360), "PNG"))
        said = Prediction(
            0.873, 1.9, heat(), Gate("accepted", 1.0, "Like those of training."), versions.VERSION,
            heat_in_lungs=0.78, lungs_area=0.31,
        )  # fmt: skip
        said = replace(said, **dict(prediction))
        return ReadingContent(film, said, bundle, options.pop("threshold", 0.4), NOW,
                              **options)  # fmt: skip

    return make


@pytest.fixture
def spanish(tmp_path, monkeypatch):
    """The reader has chosen a Spanish of some words."""
    said = {
        "Pneumonia likely": "Neumonía probable",
        "Gate": "Control de entrada",
        "refused": "rechazada",
        "The image is blank: it has almost no contrast.": "La imagen está en blanco.",
        "a {kind} file": "un archivo {kind}",
    }
    text = "\n".join(f'msgid "{key}"\nmsgstr "{words}"\n' for key, words in said.items())
    (tmp_path / "es.po").write_text(text, "utf-8")
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    monkeypatch.setattr(language, "_choose", lambda: "es")
    caches = (language._sentences, language.languages)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
