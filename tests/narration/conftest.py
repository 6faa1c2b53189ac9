"""A language model's endpoint that says what a test tells it to: a real HTTP server on this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from portrait_assets.settings import Settings


class Endpoint(ThreadingHTTPServer):
    """Answers every request with `reply` of its JSON; `late` holds an answer back until it is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.reply: Callable[[str], str] = lambda drafts: drafts
        self.status = 200
        self.raw: bytes | None = None
        self.late: threading.Event | None = None

    def settings(self, home: Path, **more: Any) -> Settings:
        address = f"http://127.0.0.1:{self.server_address[1]}/v1"
        return Settings(
            home=home, narrator="endpoint", narrator_url=address, narrator_model="fake", narrator_key="secret", **more
        )


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        self.server.keys.append(self.headers.get("Authorization"))
        text = self.server.reply(asked["messages"][-1]["content"])
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
        body = body if self.server.raw is None else self.server.raw
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1])
        self.wfile.flush()
        if self.server.late is not None:
            self.server.late.wait(60)
        with suppress(OSError):  # who asked has gone
            self.wfile.write(body[1:])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    if server.late is not None:
        server.late.set()
    server.shutdown()
    thread.join()
    server.server_close()
