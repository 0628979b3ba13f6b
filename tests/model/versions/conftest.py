"""The empty registry of MLflow in a file."""

from pathlib import Path

import pytest

from model.config import settings
from model.versions import tracking


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of MLflow in a file, which take it a second or two to make, to be copied."""
    home = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRAY_HOME", str(home))
        settings.cache_clear()
        with tracking.asked() as client:
            client.search_registered_models()
    settings.cache_clear()
    return home / "mlflow"
