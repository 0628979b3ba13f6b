"""What `doctor` says of a Ray cluster: asked of its head, and found out there by a small job."""

import json
import platform
import secrets
import tempfile
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model.errors import StoreError
from model.training.job_host import Check
from model.training.local_checks import DISK_GB, MEMORY_GB
from model.training.ray_package import copy_code

CPUS = 4  # for one of several trainings; with more it would be little faster
WAIT_SECONDS = 120  # the first job on a cluster unpacks the code and imports Keras
ANEW = "anew"  # among what a job was given: it may not find what the attempt before has finished
INSTALL = "Run `pip install -r requirements.txt` on the GPU host, then start Ray anew."
GPU = (
    'Run `pip install "tensorflow[and-cuda]~=2.21.0"` on the GPU host; `nvidia-smi` there must '
    "show the GPU."
)


def nodes(client: Any) -> list[dict[str, Any]]:
    """The computers of the cluster that are alive, as Ray's state API lists them."""
    answer = client._do_request("GET", "/api/v0/nodes?detail=False")
    if answer.status_code != 200:
        raise RuntimeError(f"status code {answer.status_code}")
    found = answer.json()["data"]["result"]["result"]
    return [node for node in found if node["state"] == "ALIVE"]


def needs(client: Any, num_runs: int, before: str | None = None) -> dict[str, Any]:
    """What a job's own process asks of the cluster, in the words of `submit_job`.

    A single training takes all GPUs of the computer with most, if Keras can use them together; the
    first of several runs takes one, for others go on beside it. before: for a retry the IP address
    of the computer that has the folder of the attempt before, "" where that is not known. It goes
    on there; while that computer is away it begins elsewhere, with the mark ANEW.
    """
    found = nodes(client)
    there = [node for node in found if node["node_ip"] == before]
    asked = _for(client, there or found, num_runs)
    if there:  # each computer has 1 of a resource that is named after it: Ray's way to say where
        return asked | {"entrypoint_resources": {f"node:{before}": 0.001}}
    if before is None or (before == "" and len(found) == 1):
        return asked
    return asked | {"metadata": {ANEW: "yes"}}


def _for(client: Any, found: list[dict[str, Any]], num_runs: int) -> dict[str, Any]:
    most = max(map(gpus_of, found), default=0)
    if not most and num_runs > 1:
        return {"entrypoint_num_cpus": min(CPUS, max(map(cpus_of, found), default=0))}
    if most > 1 and (num_runs > 1 or not _uses_all(client, found)):
        most = 1
    return {"entrypoint_num_gpus": most}


def _uses_all(client: Any, found: list[dict[str, Any]]) -> bool:
    """Whether one training there can use several GPUs, see `model.nn.devices`."""
    try:
        return _backend(client, frozenset(node["node_id"] for node in found)) == "jax"
    except StoreError:  # the training will say what is wrong
        return False


@lru_cache(maxsize=4)
def _backend(client: Any, _nodes: frozenset[str]) -> str:
    """Only a job there knows it, so it is asked once for each start of the cluster."""
    return str(_facts(client, 0, None).get("backend"))


def check(client: Any, mlflow_url: str | None) -> list[Check]:
    """All checks. Raises what the client raises."""
    here = version("ray")
    there = client._do_request("GET", "/api/version").json()["ray_version"]
    same = here.split(".")[:2] == there.split(".")[:2]
    found = nodes(client)
    checks = [
        Check(
            "cluster", same, f"computers: {len(found)}, Ray {there} there, {here} here",
            "" if same else f"Run `pip install ray[default]=={here}` on the GPU host.",
        )
    ]  # fmt: skip
    try:
        facts = _facts(client, _share(found), mlflow_url)
    except StoreError as error:
        return [*checks, Check("job", False, error.received, error.todo)]
    room = (
        (facts["disk_gb"], DISK_GB, "disk", "free"),
        (facts["memory_gb"], MEMORY_GB, "memory", ""),
    )
    return [
        *checks,
        _versions(facts),
        _gpus(facts, any(map(gpus_of, found))),
        *(_room(*one) for one in room),
        _mlflow(facts, mlflow_url),
    ]


def _share(found: list[dict[str, Any]]) -> float:
    """Of a GPU, that the small job asks for: none on a head with GPUs, which sees them anyway.

    They may all be in use. A head without one has it run where GPUs are.
    """
    heads = [node for node in found if node["is_head_node"]]
    at_head = any(gpus_of(node) for node in heads)
    return 0 if at_head or not any(map(gpus_of, found)) else 0.01


def gpus_of(node: dict[str, Any]) -> int:
    """How many GPUs Ray gives out on this computer."""
    return int(node["resources_total"].get("GPU", 0))


def cpus_of(node: dict[str, Any]) -> int:
    """How many processors Ray gives out on this computer."""
    return int(node["resources_total"].get("CPU", 0))


def _facts(client: Any, share: float, mlflow_url: str | None) -> dict[str, Any]:
    """What `ray_facts` prints there. Raises StoreError if it does not within WAIT_SECONDS."""
    with tempfile.TemporaryDirectory() as name:
        copy_code(Path(name))
        job = client.submit_job(
            entrypoint="python -m model.training.ray_facts",
            entrypoint_num_gpus=share,
            submission_id=f"doctor-{secrets.token_hex(4)}",
            runtime_env={"working_dir": name, "env_vars": {"XRAY_MLFLOW_URL": mlflow_url or ""}},
        )
    deadline = time.monotonic() + WAIT_SECONDS
    while not (details := client.get_job_info(job)).status.is_terminal():
        if time.monotonic() > deadline:
            client.stop_job(job)
            raise StoreError("an answer", f"none in {WAIT_SECONDS} s", "Run `ray status` there.")
        time.sleep(0.5)
    for line in reversed(client.get_job_logs(job).splitlines()):
        if line.startswith('{"facts"'):
            client.delete_job(job)
            return dict(json.loads(line)["facts"])
    failed = f"a small job failed with exit status {details.driver_exit_code}"
    raise StoreError("an answer", failed, f"`ray job logs {job}` there says why. {INSTALL}")


def _versions(found: dict[str, Any]) -> Check:
    there = {"Python": found["python"], **found["packages"]}
    here = {"Python": platform.python_version(), "keras": version("keras")}
    said = ", ".join(f"{name} {number}" for name, number in there.items())
    missing = [name for name in ("keras", "mlflow") if name not in there]
    if found.get("fault"):
        return Check("versions", False, f"{said}. Keras fails: {found['fault']}", INSTALL)
    if missing:
        return Check("versions", False, f"{said}; no {', '.join(missing)}", INSTALL)
    # A .keras file of a newer Keras may not open in an older one.
    if there["keras"].split(".")[:2] != here["keras"].split(".")[:2]:
        return Check("versions", False, f"{said}; keras {here['keras']} here", INSTALL)
    return Check("versions", True, f"{said} there; Python {here['Python']} here")


def _gpus(found: dict[str, Any], gives: bool) -> Check:
    gpus = found.get("gpus", [])
    if gives and not gpus:
        return Check("gpu", False, "Ray has one, but Keras does not see it", GPU)
    if gpus and not gives:
        return Check(
            "gpu", False, "Keras sees one, but Ray does not give it out",
            f"Start Ray with `--num-gpus={len(gpus)}`.",
        )  # fmt: skip
    if not gpus:
        return Check("gpu", True, "none: a training takes hours instead of minutes")
    several = len(gpus) > 1 and found["backend"] != "jax"
    one = "; a single training uses one, all with KERAS_BACKEND=jax there" if several else ""
    return Check("gpu", True, f"{len(gpus)}, {found['backend']}{one}")


def _room(found_gb: float, needed_gb: float, name: str, what: str) -> Check:
    hint = "" if found_gb >= needed_gb else f"A training needs about {needed_gb} GB."
    return Check(name, not hint, f"{found_gb:.0f} GB {what}".strip(), hint)


def _mlflow(found: dict[str, Any], url: str | None) -> Check:
    if not url:
        hint = "Set XRAY_MLFLOW_URL: a trained version comes back through an MLflow server."
        return Check("mlflow", False, "no MLflow server", hint)
    hint = "Start it there, or give the tunnel `-R 5000:127.0.0.1:5000` if it runs here."
    if found["mlflow"]:
        return Check("mlflow", True, "answers to the GPU host")
    return Check("mlflow", False, "does not answer to the GPU host", hint)
