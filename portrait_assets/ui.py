"""The user interfaces of a home, side by side on this machine: Dagster, MLflow and the explorer.

Each is a process of its own from this virtual environment, reachable from 127.0.0.1 only, and writes to a log in the home.
They start together and stop together. None of them looks for updates or reports to anybody that it is used.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from portrait_assets.errors import PortraitError
from portrait_assets.operations import prepare_dagster
from portrait_assets.resources.tracking import Tracking
from portrait_assets.settings import PROJECT_DIR, Settings

logger = logging.getLogger("portrait")

HOST = "127.0.0.1"
PORTS = {"Dagster": 3000, "MLflow": 5000, "Explorer": 2718}
PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.3
STOP_SECONDS = 15.0
QUIET = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MARIMO_SKIP_UPDATE_CHECK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Service:
    """One program with a page: how it starts, where it answers once it is ready, and what one finds there."""

    name: str
    port: int
    ready_path: str
    shows: str
    command: tuple[str, ...]
    log: Path

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def services(settings: Settings, ports: dict[str, int] | None = None) -> list[Service]:
    """Dagster (webserver and daemon), MLflow and the explorer of a home, on `ports` by name or the usual ones."""
    at = {**PORTS, **(ports or {})}
    artifacts = settings.mlflow_dir / "artifacts"
    commands = {
        "Dagster": ("dagster", "dev", "-h", HOST, "-p", str(at["Dagster"]), "-w", str(PROJECT_DIR / "workspace.yaml")),
        "MLflow": (
            "mlflow", "server", "--host", HOST, "--port", str(at["MLflow"]), "--workers", "1",
            "--backend-store-uri", Tracking(folder=str(settings.mlflow_dir)).uri,
            "--default-artifact-root", artifacts.as_uri(), "--artifacts-destination", artifacts.as_uri(),
        ),
        "Explorer": ("portrait_assets.explorer", "--host", HOST, "--port", str(at["Explorer"])),
    }  # fmt: skip
    facts = {
        "Dagster": ("/server_info", "lineage, partitions, checks, jobs"),
        "MLflow": ("/health", "model runs, curves, the registry"),
        "Explorer": ("/health", "portraits of users and groups of them"),
    }
    return [
        Service(
            name, at[name], *facts[name], (sys.executable, "-m", *command), settings.home_dir / "logs" / f"{name.lower()}.log"
        )
        for name, command in commands.items()
    ]


def serve(settings: Settings, ports: dict[str, int], say: Callable[[list[Service]], None]) -> None:
    """Run everything until Ctrl-C; `say` is called once all answer. PortraitError where a port is taken or a program stops."""
    wanted = services(settings, ports)
    with suppress(KeyboardInterrupt), running(settings, wanted) as watched:
        _await_answers(wanted, watched)
        say(wanted)
        _keep_watch(settings, wanted, watched)


@contextmanager
def running(settings: Settings, wanted: list[Service]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The services as processes, all stopped at the end, however it comes."""
    _refuse_without_marimo()
    for service in wanted:
        _refuse_taken(service)
    prepare_dagster(settings)
    settings.mlflow_dir.mkdir(parents=True, exist_ok=True)
    settings.landing_dir.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        **QUIET,
        "PORTRAIT_HOME": str(settings.home_dir),
        "DAGSTER_HOME": str(settings.dagster_dir),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    environment.pop("PORTRAIT_SOURCE", None)  # the home has recorded its source, with a full path
    processes: list[subprocess.Popen[bytes]] = []
    with _stoppable():
        try:
            for service in wanted:
                service.log.parent.mkdir(parents=True, exist_ok=True)
                with service.log.open("wb") as log:
                    processes.append(
                        subprocess.Popen(
                            service.command, cwd=settings.home_dir, env=environment, stdin=subprocess.DEVNULL,
                            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                        )
                    )  # fmt: skip
            yield processes
        finally:
            _stop(processes)


def _refuse_without_marimo() -> None:
    if find_spec("marimo") is None:
        raise PortraitError("the explorer needs marimo, which is not installed; `make ui` installs it and starts everything")


def _refuse_taken(service: Service) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, service.port))
        except OSError as error:
            option = f"--{service.name.lower()}-port"
            raise PortraitError(
                f"{service.name} can't use port {service.port} ({(error.strerror or str(error)).lower()}); stop what uses it, "
                f"perhaps another `make ui`, or choose another: portrait ui {option} {service.port + 1}"
            ) from None


def _await_answers(wanted: list[Service], processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting = list(wanted)
    while waiting:
        _refuse_dead(wanted, processes)
        waiting = [service for service in waiting if not _answers(service)]
        if waiting and time.monotonic() > deadline:
            raise PortraitError(f"{waiting[0].name} did not answer in {PATIENCE_SECONDS:.0f} s; its log is {waiting[0].log}")
        time.sleep(POLL_SECONDS)


def _answers(service: Service) -> bool:
    try:
        with urlopen(service.address + service.ready_path, timeout=5) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def _refuse_dead(wanted: list[Service], processes: list[subprocess.Popen[bytes]]) -> None:
    for service, process in zip(wanted, processes, strict=True):
        if process.poll() is not None:
            lines = service.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1].strip() if lines else "it said nothing"
            raise PortraitError(
                f"{service.name} stopped (exit code {process.returncode}): {last[:300]}; its log is {service.log}"
            )


def _keep_watch(settings: Settings, wanted: list[Service], processes: list[subprocess.Popen[bytes]]) -> None:
    """Until one stops. When landed events bring later days, Dagster loads the definitions again and so sees their partitions."""
    home_file = settings.home_dir / "home.json"
    known = _content(home_file)
    while True:
        _refuse_dead(wanted, processes)
        if (found := _content(home_file)) != known:
            known = found
            _reload_definitions(wanted[0])
        time.sleep(POLL_SECONDS)


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _reload_definitions(dagster: Service) -> None:
    query = json.dumps({"query": "mutation { reloadWorkspace { __typename } }"}).encode()
    request = Request(f"{dagster.address}/graphql", query, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=120):
            logger.info("the home covers other days now; Dagster has loaded the definitions again")
    except (URLError, OSError) as error:
        logger.warning("Dagster did not load the definitions again (%s); use Deployment > Reload all in its page", error)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask each to stop, as Ctrl-C would; what is still there after a while is ended, with all it started."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM both stop us tidily, in the background too, where a shell has children ignore Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
