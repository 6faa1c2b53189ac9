"""The explorer answers its own pages alone: what a page of another server asks for never reaches it."""

import asyncio
from typing import Any

import pytest

from portrait_assets.explorer import application

pytest.importorskip("marimo")


def answers(kind: str, **headers: str) -> list[dict[str, Any]]:
    """What the explorer says to one request or web socket with these headers."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": kind, "method": "GET", "path": "/health", "raw_path": b"/health", "root_path": "", "query_string": b"", "http_version": "1.1",
        "scheme": "http", "server": ("127.0.0.1", 2718), "client": ("127.0.0.1", 1), "subprotocols": [],
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application()(scope, receive, send))
    return sent


def test_a_page_of_another_server_gets_nothing_and_no_web_socket():
    here = "127.0.0.1:2718"
    assert answers("http", host=here)[0]["status"] == 200
    for headers in ({"host": "evil.example:2718"}, {"host": here, "origin": "http://evil.example"}):
        assert answers("http", **headers)[0]["status"] == 403
        assert [message["type"] for message in answers("websocket", **headers)] == ["websocket.close"]
