"""A Ray head with its job server and an MLflow server, on loopback and free ports, for tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.request import urlopen

BIN = Path(sys.executable).parent
START_SECONDS = 150  # 7 on an idle machine
# Without the six processes by which an MLflow server would judge language models.
QUIET_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(url: str, part: str = "") -> bool:
    """Whether the page is there, with that text in it."""
    try:
        with urlopen(url, timeout=5) as answer:
            return part in answer.read().decode()
    except OSError:
        return False


class Server:
    """A program that runs until `stop`; known by its process id, with all that it has started."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self.command, self.environment = command, environment
        self.start()

    def start(self) -> None:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment, "PATH": path},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self, is_up: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not is_up():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}"
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Cluster:
    """One computer. Its job server is `address`; what trainings keep there is below `home`."""

    def __init__(self, num_gpus: int = 0) -> None:
        # Not pytest's folder: the path of a socket has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self.home = self.folder / "gpu-host"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.start(num_gpus)

    def start(self, num_gpus: int = 0) -> None:
        ports = {
            "--dashboard-port": self.port, "--port": 0, "--dashboard-agent-listen-port": 0,
            "--min-worker-port": 0, "--max-worker-port": 0, "--ray-client-server-port": free_port(),
        }  # fmt: skip
        self.server = Server(
            [
                str(BIN / "ray"), "start", "--head", "--block", "--disable-usage-stats",
                "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--num-cpus=2",
                f"--num-gpus={num_gpus}", "--object-store-memory=80000000",
                f"--temp-dir={self.folder}", *(f"{name}={port}" for name, port in ports.items()),
            ],
            {"XRAY_HOME": str(self.home), "RAY_raylet_start_wait_time_s": "120"},
        )  # fmt: skip
        self.server.wait(lambda: answers(f"{self.address}/api/v0/nodes", "ALIVE"))

    def stop(self) -> None:
        self.server.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mlflow(Server):
    """An MLflow server at `address`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        super().__init__(
            [
                str(BIN / "mlflow"), "server", "--host=127.0.0.1", f"--port={port}", "--workers=1",
                f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}",
                f"--artifacts-destination={folder / 'artifacts'}",
            ],
            QUIET_MLFLOW,
        )  # fmt: skip

    def wait_until_up(self) -> None:
        self.wait(lambda: answers(f"{self.address}/health"))
