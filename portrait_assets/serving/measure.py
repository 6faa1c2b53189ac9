"""What the live service costs: 500 events a second of random users of Complete Journey, ten a visit, and cards read meanwhile."""

import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from portrait_assets import sources
from portrait_assets.assets.daily import write_features, write_portraits
from portrait_assets.assets.recommending import write_recommendations
from portrait_assets.errors import PortraitError
from portrait_assets.history import begin_history
from portrait_assets.home import Home, extend_to_landed, open_home
from portrait_assets.partitions import Window
from portrait_assets.publishing import publish
from portrait_assets.settings import Settings

EVENTS_A_SECOND = 500
BATCHES_A_SECOND = 25
EVENTS_A_VISIT = 10  # a basket of Complete Journey has 9.4 lines
CARDS_A_SECOND = 20
SEED = 7


def measure(folder: Path, seconds: float = 20.0, source: str = "complete_journey") -> dict[str, float]:
    """Figures of `portrait serve` in a process of its own, on a home of `source` made in `folder`, under load for `seconds`.

    `ack_to_visible_*` are the service's own, over all events; `card_*` are a client's, from request to answer.
    """
    home = published_home(folder, source)
    port = _free_port()
    environment = os.environ | {"PORTRAIT_HOME": str(home.settings.home_dir)}
    command = [sys.executable, "-c", "from portrait_assets.cli import main; main()", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until_up(port, process)
            return _load(home, port, seconds)
        finally:
            process.send_signal(signal.SIGTERM)


def published_home(folder: Path, source: str) -> Home:
    """All of a source landed, features of all days, the last day published; no model."""
    home = open_home(Settings(home=folder, source=source))
    with home.warehouse.open("measure") as session:
        sources.land(session.connection, home.source, datetime.now(UTC).replace(tzinfo=None))
        home = extend_to_landed(home, session)
        last = Window(home.days.end, home.days.end)
        begin_history(session, last.start)
        write_features(session, home, home.days)
        write_portraits(session, home, last)
        write_recommendations(session, home, last.end)
        publish(session, home, last.start)
    return home


def _load(home: Home, port: int, seconds: float) -> dict[str, float]:
    with home.warehouse.open("measure") as session:
        users = [user for (user,) in session.rows("select distinct user_id from features.user_state order by user_id")]
        items = [item for (item,) in session.rows("select item_id from clean.items order by item_id")]
    dice, cards = random.Random(SEED), random.Random(SEED + 1)
    noon = datetime(home.days.end.year, home.days.end.month, home.days.end.day, 12) + timedelta(days=1)
    size = EVENTS_A_SECOND // BATCHES_A_SECOND
    accepted: list[int] = []
    read: list[float] = []

    def send(connection: http.client.HTTPConnection, number: int) -> None:
        events = []
        for visit in range(size // EVENTS_A_VISIT):
            user = dice.choice(users)
            events += [_event(dice, user, items, noon, f"{number}-{visit}-{place}") for place in range(EVENTS_A_VISIT)]
        accepted.append(_ask(connection, "POST", "/events", events)["accepted"])

    def look(connection: http.client.HTTPConnection, _: int) -> None:
        began = time.perf_counter()
        _ask(connection, "GET", f"/users/{cards.choice(users)}/card")
        read.append(time.perf_counter() - began)

    began = time.perf_counter()
    threads = [
        threading.Thread(target=_paced, args=(port, work, rate, seconds))
        for work, rate in ((send, BATCHES_A_SECOND), (look, CARDS_A_SECOND))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    visible = _ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/status")["visible_ms"]
    return figures(accepted, elapsed, read, visible)


def figures(accepted: list[int], elapsed: float, read: list[float], visible: dict[str, float]) -> dict[str, float]:
    """Of the events accepted a request, the seconds it took them all, the seconds of each card, and what the service says of itself."""
    return {
        "ack_events_per_second": round(sum(accepted) / elapsed, 1),
        "ack_to_visible_p50_ms": visible["p50"],
        "ack_to_visible_p99_ms": visible["p99"],
        "card_p50_ms": round(statistics.median(read) * 1000, 1),
        "card_p99_ms": round(statistics.quantiles(read, n=100)[98] * 1000, 1),
    }


def _event(dice: random.Random, user: str, items: list[str], noon: datetime, event_id: str) -> dict[str, Any]:
    kind = dice.choice(("view", "view", "cart", "purchase"))
    priced = {"quantity": 1, "amount": round(dice.uniform(1, 30), 2)} if kind == "purchase" else {}
    moment = noon + timedelta(seconds=dice.randrange(3600))
    return {
        "event_id": event_id, "event_time": moment.isoformat(), "user_id": user, "event_type": kind,
        "item_id": dice.choice(items), **priced,
    }  # fmt: skip


def _paced(port: int, work: Callable[[http.client.HTTPConnection, int], None], rate: float, seconds: float) -> None:
    """Do `work` `rate` times a second, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        work(connection, number)


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    if answer.status != 200:
        raise PortraitError(f"{method} {path}: {answer.status} {content}")
    return content


def _wait_until_up(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/health")
            return
        except OSError:
            time.sleep(0.1)
    raise PortraitError("portrait serve did not come up; it says why on stderr")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
