"""python -m model registry list|promote|rollback: what it prints, does, and refuses."""

from collections.abc import Callable

import pytest

from model.__main__ import main
from model.bundle import Bundle
from model.people import audit
from model.people.access import COMMAND_LINE
from model.versions import registry, version_comparison
from tests.model.versions.registry_cases import NEW, OLD, WORSE, ZOE, hand_over, serving
from tests.model.versions.registry_cases import shipped as shipped
from tests.model.versions.registry_cases import trained as trained
from tests.model.versions.registry_cases import worse as worse

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*arguments) -> exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["registry", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_a_version_is_promoted_by_its_name_or_number_and_taken_back(
    run: Run, trained: Bundle
) -> None:
    hand_over(trained, "job-7")
    status, out, err = run("list")
    first, second = (line.split("\t") for line in out.splitlines())
    assert (status, err) == (0, "")
    assert (first[:3], first[4:]) == (
        ["1", OLD, "champion"], ["-", "shipped with the program"],
    )  # fmt: skip
    assert (second[:3], second[4:]) == (["2", NEW, "challenger"], ["job-7", "-"])

    assert run("promote", "2", "--reason", "better on infants") == (
        0, f"{NEW} reads from now on; before it was {OLD}.\n", "",
    )  # fmt: skip
    assert serving() == NEW
    assert run("rollback") == (0, f"{OLD} reads from now on; before it was {NEW}.\n", "")
    assert serving() == OLD
    assert run("rollback", NEW, "--reason", "it was not the cause")[0] == 0
    assert serving() == NEW
    trail = [entry for entry in audit.entries(COMMAND_LINE) if entry.subject in (OLD, NEW)]
    assert [(one.actor, one.action, one.details["reason"]) for one in reversed(trail)] == [
        ("command line", "model version promoted", "better on infants"),
        ("command line", "model version taken back", ""),
        ("command line", "model version taken back", "it was not the cause"),
    ]


def test_what_is_refused_is_said_in_a_sentence_and_changes_nothing(run: Run, worse: Bundle) -> None:
    hand_over(worse)
    for arguments, sentence in (
        (("promote", WORSE), "10.0 points lower. Type why it is to be served"),
        (("promote", "vgg16-unknown"), "a version of the registry"),
        (("promote", "7"), "a number of `python -m model registry list`. Received: 7."),
        (("promote", OLD), "It is the one that is served."),
        (("rollback", WORSE), f"Received: {WORSE}, which was not. Promote it"),
        (("rollback",), "It is the one that is served."),
    ):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("Expected ")
        assert sentence in err
        assert err.count("\n") == 1
    assert serving() == OLD
    assert run("promote", WORSE, "--reason", "a study of false alarms")[0] == 0
    assert serving() == WORSE


def test_of_two_at_once_the_second_is_refused(
    run: Run, trained: Bundle, worse: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin promotes another version while the command compares the two."""
    hand_over(trained, "job-1")
    hand_over(worse, "job-2")
    compare = version_comparison.compare

    def meanwhile(champion: Bundle, challenger: Bundle) -> version_comparison.Comparison:
        monkeypatch.setattr(version_comparison, "compare", compare)
        registry.promote(ZOE, WORSE, OLD, "a study of false alarms")
        return compare(champion, challenger)

    monkeypatch.setattr(version_comparison, "compare", meanwhile)
    status, out, err = run("promote", NEW)
    assert (status, out) == (2, "")
    assert f"that {OLD} is still served, as you saw it. Received: {WORSE}: somebody else" in err
    assert serving() == WORSE
