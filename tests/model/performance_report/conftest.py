"""A version with every file, and the report of it."""

import pytest

from model import performance_report
from model.performance_report import content
from tests.model import version_cases as versions
from tests.model.performance_report_cases import SOURCE, read_pdf


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return versions.write_all(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def report(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "report"
    performance_report.write(folder, bundle, SOURCE)
    return folder


@pytest.fixture(scope="session")
def text(report):
    return read_pdf(report)


@pytest.fixture(scope="session")
def gathered(bundle):
    return content.gather(bundle, SOURCE)
