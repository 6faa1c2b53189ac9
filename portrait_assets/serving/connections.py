"""The connections of the HTTP server: how many there may be, and how long each may take."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 200  # more are answered 503
REQUEST_SECONDS = 60.0  # from a connection's begin, or the first byte of a later request, to the last byte of the answer
LONGEST_HEAD = 1_000_000  # bytes of address and headers: an id has a place in it, however long it is


class Connection(H11Protocol):
    """A connection that ends where a request is not sent, or its answer not taken, in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._wait()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._forget()
        super().on_response_complete()
        if not self.cycle.response_complete:  # the next request was there already
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def server(app: Any) -> uvicorn.Server:
    """A server of `app`, to be run on a bound socket."""
    return uvicorn.Server(
        uvicorn.Config(
            app, http=Connection, ws="none", log_level="warning", access_log=False,
            limit_concurrency=MOST_CONNECTIONS, h11_max_incomplete_event_size=LONGEST_HEAD, timeout_graceful_shutdown=10,
        )
    )  # fmt: skip
