"""A small shop with a published generation, and the live service on it, in this process or in one of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from portrait_assets import sources
from portrait_assets.assets.daily import refresh_path
from portrait_assets.assets.recommending import write_recommendations
from portrait_assets.home import Home, extend_to_landed, open_home
from portrait_assets.publishing import publish
from portrait_assets.serving.app import create_app
from portrait_assets.serving.connections import server
from portrait_assets.serving.service import Service
from portrait_assets.settings import Settings
from tests.small_world import MORE_ATTRIBUTES, MORE_MEASURES, event, write_lines, write_mapping

START, END = date(2024, 1, 1), date(2024, 3, 10)


class Shop:
    """The shop's home. `refresh` does what `portrait refresh` does, Dagster and models left out."""

    def __init__(self, folder: Path):
        self.folder = folder
        mapping = write_mapping(folder / "shop", START, END)
        rules = folder / "home" / "pack"
        rules.mkdir(parents=True, exist_ok=True)
        (rules / "measures.toml").write_text(MORE_MEASURES, encoding="utf-8")
        (rules / "attributes.toml").write_text(MORE_ATTRIBUTES, encoding="utf-8")
        self.home: Home = open_home(Settings(home=folder / "home"), source=str(mapping))

    def land(self, *events: dict) -> None:
        files = [self.folder / "shop" / name for name in ("items.ndjson", "users.ndjson")]
        self._land([*files, write_lines(self.folder / "shop" / "events-1.ndjson", events)])

    def refresh(self) -> Path:
        """Land the landing folder, bring all up to date and publish; returns the generation's folder."""
        self._land(sorted(self.home.settings.landing_dir.glob("live-*.ndjson")))
        day = self.home.days.end
        with self.home.warehouse.open("test") as session:
            refresh_path(session, self.home, self.home.days)
            write_recommendations(session, self.home, day)
            return publish(session, self.home, day)

    def refresh_all(self, client: "Client") -> Path:
        """The same once the service has handed all it was sent to the landing folder."""
        client.wait_for("log", lambda log: log["line"] == 0)
        return self.refresh()

    def raw_keys(self) -> list[str]:
        """The keys of all live events that landed."""
        with self.home.warehouse.open("test") as session:
            rows = session.rows("select event_key from raw.events join raw.batches using (batch_id) where files like 'live-%'")
        return sorted(key for (key,) in rows)

    def _land(self, files: list[Path]) -> None:
        with self.home.warehouse.open("test") as session:
            sources.land(session.connection, self.home.source, datetime.now(UTC).replace(tzinfo=None), files)
            self.home = extend_to_landed(self.home, session)


def small_shop(folder: Path) -> Shop:
    """Ann and Bob, some weeks of purchases, published."""
    shop = Shop(folder)
    items = ("milk", "cheese", "bread", "soap")
    shop.land(
        *(
            event(f"{user}-{day}", user, f"2024-0{1 + day // 28}-{1 + day % 28:02d}T{9 + day % 9:02d}:30:00", item=items[day % 4],
                  session=f"{user}-s{day}", amount=2.0 + day)
            for user, step in (("ann", 3), ("bob", 7))
            for day in range(0, 60, step)
        )
    )  # fmt: skip
    shop.refresh()
    return shop


def live(number: int | str, user: str, time: str, kind: str = "purchase", item: str | None = "milk", **fields: Any) -> dict:
    """One event as a client sends it."""
    priced = {"quantity": 1, "amount": 2.0} if kind == "purchase" else {}
    return {
        "event_id": str(number),
        "user_id": user,
        "event_time": time,
        "event_type": kind,
        "item_id": item,
        **priced,
        **fields,
    }


class Client:
    """Speaks to a service on 127.0.0.1."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers of a GET, or of a POST of `body`, bytes as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        said = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data=data, headers=said)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), dict(error.headers)

    def post(self, *events: Any) -> dict[str, Any]:
        status, answer, _ = self.ask("/events", list(events))
        assert status == 200, answer
        return answer

    def card(self, user_id: str, through: str | None = None) -> dict[str, Any]:
        """The card, once it shows the log through a position."""
        deadline = time.monotonic() + 20
        while True:
            status, card, _ = self.ask(f"/users/{quote(user_id, safe='')}/card")
            if through is None or (status == 200 and place(card["live"]["through"]) >= place(through)):
                assert status == 200, card
                return card
            assert time.monotonic() < deadline, f"{user_id}'s card does not show {through}"
            time.sleep(0.01)

    def wait_for_generation(self, name: str) -> None:
        self.wait_for("generation", name)

    def wait_for(self, name: str, value: Any) -> None:
        """Until /status says so."""
        deadline = time.monotonic() + 60
        is_so = value if callable(value) else lambda said: said == value
        while not is_so(said := self.ask("/status")[1][name]):
            assert time.monotonic() < deadline, f"{name} is {said}, not {value}"
            time.sleep(0.05)


def place(position: str) -> tuple[int, ...]:
    """A position that compares."""
    return tuple(map(int, position.split(".")))


class Process:
    """`portrait serve` in a process of its own."""

    def __init__(self, home: Path):
        self.port = free_port()
        self.client = Client(self.port)
        self.log = home.parent / f"serve-{self.port}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTRAIT_", "DAGSTER_"))}
        command = [sys.executable, "-c", "from portrait_assets.cli import main; main()", "serve", "--port", str(self.port)]
        with self.log.open("w") as told:
            self.process = subprocess.Popen(
                command, env={**environment, "PORTRAIT_HOME": str(home)}, stdout=told, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 60
        while not self._is_up():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def _is_up(self) -> bool:
        try:
            return self.client.ask("/health")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, self.log.read_text()


@contextmanager
def serving(service: Service) -> Iterator[Client]:
    """The service in this process, over HTTP."""
    service.start()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = server(create_app(service))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        while not running.started:
            time.sleep(0.01)
        try:
            yield Client(listening.getsockname()[1])
        finally:
            running.should_exit = True
            thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
