"""Reviews -> retraining set -> job -> comparison -> promotion -> reading -> rollback, all real.

Nothing in here stands for anything else: the store, a training of the network that is served in a
process of its own or on a Ray cluster, MLflow in files or as a server, and the service that reads.
In a browser: tests/browser/test_closed_loop.py.

Each arrow of the chain was killed or cut, and what is left looked at, in tests/model unless another
folder is named:

reader -> review and kept film       clinic/test_reviews.py: at every step (kill_review.py)
reviews, base data -> frozen set     retraining/test_retraining_files.py: in the middle of the films
admin -> job                         training/test_local_host.py: before and after each write of it
job -> host                          there: runner; training/test_ray_host.py: head, started anew
training, its epochs                 both; training/test_job_tracking.py: as MLflow sees it
server while a job runs              training/test_local_host.py; browser/test_closed_loop.py
epochs -> MLflow                     training/test_ray_host.py: its server is killed meanwhile
bundle -> MLflow                     versions/test_promotion_faults.py: at every step of it;
                                     training/test_handing_over.py: its disk is full
version -> served (promotion)        versions/test_promotion_faults.py: at every step
                                     (kill_promotion.py)
served -> version before (rollback)  there
served version -> reading            versions/test_champion.py, pages/test_read_versions.py: changed
                                     on disk
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.bundle import Bundle, open_bundle
from model.people import audit
from model.retraining import manifest, retraining_set
from model.training import jobs
from model.training.job_host import ENDED, SUCCEEDED
from model.training.jobs import Job, JobSpec
from model.versions import registry, tracking, version_comparison
from pages.shared import services
from pages.shared.services import Reading
from tests.loop_cases import CHANGES, CONFIG, agree, clinic, film, serve
from tests.model.job_cases import ADMIN, wait_for
from tests.model.ray_cluster import Cluster, Mlflow

REASON = "a trial of the whole loop"


@pytest.fixture(scope="module")
def small(judged_bundle: Path) -> Bundle:
    """A version of the network that is served, judged on the locked test set."""
    return open_bundle(judged_bundle)


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[Mlflow]:
    server = Mlflow(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray.job_submission", reason="Ray is not installed")
    found = Cluster()
    yield found
    found.remove()


def read(number: int) -> Reading:
    """What the reading page does with a film that was dropped on it."""
    reading = services.decode(film(number), f"{number}.png")
    services.predict(reading)
    assert reading.prediction, reading.error
    return reading


def wait_until(job: Job, *states: str) -> Job:
    """Until the job is in one of the states; the job then. A busy machine takes minutes."""
    wait_for(lambda: jobs.job(ADMIN, job.id).state in states, "it stays as it is", 250)
    return jobs.job(ADMIN, job.id)


def go_round(data: Path, host: str) -> Job:
    """The whole loop; the job of it."""
    old = registry.served_version()
    before = read(1)
    assert before.prediction.model_version == old

    image = agree(2)
    proposed = retraining_set.propose(ADMIN, data)
    assert [e.label for e in proposed.entries if e.image_sha256 == image] == ["PNEUMONIA"]
    frozen = retraining_set.freeze(ADMIN, proposed, "autumn")
    assert (frozen.counts["from reviews"], frozen.counts["test"]) == (1, 8)

    spec = JobSpec(frozen.sha256, CONFIG, "champion", changes=CHANGES)
    job = wait_until(jobs.submit(ADMIN, spec, host), *ENDED)
    assert job.state == SUCCEEDED, f"{job.message}\n{jobs.log(ADMIN, job.id)}"
    assert [line["epoch"] for line in jobs.curves(ADMIN, job.id)] == [0]
    new = job.model_version
    assert registry.challenger().model_version == new != old
    assert run_of(job).info.status == "FINISHED"

    bundles = [open_bundle(registry.bundle_of(name)) for name in (old, new)]
    trained_on = bundles[1].training
    entries = manifest.read(frozen.folder / manifest.FILE).entries
    assert trained_on["num_training"] + trained_on["num_validation"] == len(entries) - 8
    found = version_comparison.compare(*bundles)
    assert (found.problems, found.n) == ((), 8)
    assert read(1).prediction.model_version == old  # a finished training changes nothing yet

    registry.promote(ADMIN, new, old, REASON)
    assert services.is_outdated(before)
    after = read(1)
    assert after.prediction.model_version == new
    assert after.prediction.logit != before.prediction.logit
    assert read(3).bundle.training["data_sha256"] == trained_on["data_sha256"]

    registry.rollback(ADMIN, old, new, "only a trial")
    again = read(1)
    assert (again.prediction.model_version, again.prediction.logit) == (
        old, before.prediction.logit,
    )  # fmt: skip
    assert [version.model_version for version in registry.versions()][-2:] == [old, new]
    assert audit.check() == []
    told = [entry.action for entry in audit.entries(ADMIN)][::-1]
    assert told[-4:] == [
        "training asked for", "training succeeded", "model version promoted",
        "model version taken back",
    ]  # fmt: skip
    return job


def run_of(job: Job):
    """The run of a job in MLflow."""
    with tracking.asked() as client:
        [found] = client.search_runs(
            [client.get_experiment_by_name(tracking.NAME).experiment_id],
            f"tags.job_id = '{job.id}'",
        )
    return found


def test_the_whole_loop_on_this_computer(small: Bundle, tiny_data: Path, tmp_path: Path):
    with clinic(tmp_path / "home", tiny_data) as home:
        serve(small)
        job = go_round(tiny_data, "local")
        left = {path.name for path in (home / "jobs" / job.id).iterdir()}
        assert not left & {"films", "run", "champion"}


def test_the_whole_loop_on_a_ray_cluster_with_an_mlflow_server(
    small: Bundle, tiny_data: Path, tmp_path: Path, cluster: Cluster, mlflow: Mlflow
):
    mlflow.wait_until_up()
    with clinic(
        tmp_path / "home", tiny_data,
        XRAY_RAY_ADDRESS=cluster.address, XRAY_MLFLOW_URL=mlflow.address,
    ) as home:  # fmt: skip
        serve(small)
        job = go_round(tiny_data, "ray")
        assert not (home / "jobs" / job.id / "bundle").exists()  # it was trained elsewhere
        assert (cluster.home / "jobs" / job.id / "bundle").is_dir()
