"""The user interfaces as processes: a taken port and a program that stops are said in a line, and nothing is left running."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.settings import Settings
from portrait_assets.ui import Service, running, serve, services

pytest.importorskip("marimo")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def service(settings: Settings, program: str) -> Service:
    """A service on a free port that runs a line of Python."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return replace(services(settings, {"Explorer": port})[2], command=(sys.executable, "-c", program))


def test_a_taken_port_is_said_with_the_option_that_chooses_another(settings: Settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortraitError, match=rf"MLflow can't use port {port} .*portrait ui --mlflow-port {port + 1}$"):
            serve(settings, {"Dagster": 0, "MLflow": port, "Explorer": 0}, say=print)


def test_a_program_that_stops_is_said_with_its_last_words(settings: Settings, monkeypatch):
    broken = service(settings, "import sys; print('starting'); sys.exit('no such table')")
    monkeypatch.setattr("portrait_assets.ui.services", lambda *_: [broken])
    with pytest.raises(PortraitError, match=r"Explorer stopped \(exit code 1\): no such table; its log is .*explorer.log"):
        serve(settings, {}, say=print)


def test_nothing_is_left_running_even_by_a_program_that_ignores_the_request(settings: Settings, monkeypatch):
    monkeypatch.setattr("portrait_assets.ui.STOP_SECONDS", 0.5)
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
    stubborn = service(
        settings, child + "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up'); time.sleep(99)"
    )
    with running(settings, [stubborn]) as [process]:
        while "up" not in stubborn.log.read_text():
            time.sleep(0.05)
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL
    alive = subprocess.run(["ps", "-o", "stat=", "-g", str(process.pid)], capture_output=True, text=True).stdout.split()
    assert not [state for state in alive if not state.startswith("Z")]


def test_the_pages_send_nothing_home_and_see_the_homes_own_folders(settings: Settings):
    told = "import os, json; print(json.dumps(dict(os.environ)), flush=True); import time; time.sleep(99)"
    one = service(settings, told)
    with running(settings, [one]):
        while not one.log.read_text().endswith("}\n"):
            time.sleep(0.05)
    environment = one.log.read_text()
    assert (
        f'"DAGSTER_HOME": "{settings.dagster_dir}"' in environment and f'"PORTRAIT_HOME": "{settings.home_dir}"' in environment
    )
    for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "MARIMO_SKIP_UPDATE_CHECK"):
        assert f'"{name}"' in environment
    assert os.environ.get("MLFLOW_DISABLE_TELEMETRY") is None
