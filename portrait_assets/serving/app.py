"""The live service over HTTP, on 127.0.0.1. What it answers is documented by itself at /docs and /openapi.json."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect

from portrait_assets import __version__
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.kernels.ranking.context import Context
from portrait_assets.resources.lock import exclusive, is_held
from portrait_assets.serving.access import LocalOnly
from portrait_assets.serving.bodies import BadBody, rows_of
from portrait_assets.serving.connections import server
from portrait_assets.serving.engine import to_json
from portrait_assets.serving.events import Event, judge, sendable
from portrait_assets.serving.recommender import LISTS
from portrait_assets.serving.service import Busy, Service

MOST_EVENTS = 5_000
MOST_BYTES = 5_000_000
BODY_SECONDS = 20.0  # from a request's headers to the last byte of its body


class AnyText(Convertor[str]):
    """A part of an address that may be any text at all, slashes and line breaks included."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("any", AnyText())

Which = Annotated[str, Query(alias="list", description=f"one of {', '.join(LISTS)}")]
Basket = Annotated[str, Query(description="ids of the items in the basket now, with commas between them")]
Store = Annotated[
    str | None, Query(description="the shop, branch or channel where the user is now; else where the user mostly goes")
]


class Rejected(BaseModel):
    """A row that was not taken."""

    row: int = Field(description="its place in the request, from 0")
    reason: str = Field(description="what is wrong with it")


class Accepted(BaseModel):
    """What became of a batch. What is accepted is on disk: it survives a crash of the service and of the machine."""

    accepted: int = Field(description="events that are now durable")
    duplicates: int = Field(description="events that were durable before, by their user and event_id; not counted again")
    rejected: list[Rejected] = Field(description="events that were not taken, each with its reason")
    position: str = Field(
        description="segment.line of the log's last event; a card's live.through is at least that when it shows them"
    )


class Refused(BaseModel):
    """Why a request was not served, and what to do."""

    detail: str


EVENTS_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "maxItems": MOST_EVENTS, "items": Event.model_json_schema()}}
        },
    }
}


def create_app(service: Service) -> FastAPI:
    """The application over a service, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.stop)

    app = FastAPI(
        title="Portrait, live",
        version=__version__,
        description="Events in, portraits out. An acknowledged event is durable, and in its user's card a moment later.",
        lifespan=lifespan,
    )
    app.add_middleware(LocalOnly)

    @app.post(
        "/events",
        response_model=Accepted,
        openapi_extra=EVENTS_BODY,
        responses={422: {"model": Accepted}, **{code: {"model": Refused} for code in (400, 403, 408, 413, 415, 503)}},
    )
    async def post_events(request: Request) -> Response:
        """Take a batch of events. Answers when those accepted are durable: 200, or 422 where none could be taken.

        503 with Retry-After means that too much waits already; nothing of the batch was kept.
        """
        try:
            rows = await _rows(request)
        except ClientDisconnect:
            return Response()  # which nobody is there to read
        lines, rejections = judge(
            rows, datetime.now(UTC), service.home.pack.events, service.home.source.start, service.engine.day
        )
        judged = {rejection.row: rejection.reason for rejection in rejections}
        taken = [place for place in range(len(rows)) if place not in judged]
        try:
            receipt = await asyncio.wrap_future(service.submit(lines))
        except Busy as busy:
            raise HTTPException(503, str(busy), headers={"Retry-After": str(busy.retry_after_seconds)}) from None
        judged |= {taken[place]: reason for place, reason in receipt.refused.items()}
        answer = {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "rejected": [{"row": row, "reason": sendable(judged[row])} for row in sorted(judged)],
            "position": f"{receipt.position[0]}.{receipt.position[1]}",
        }
        return JSONResponse(answer, 422 if rows and len(judged) == len(rows) else 200)

    @app.get("/users/{user_id:any}/card", responses={404: {"model": Refused}})
    async def get_card(user_id: str) -> Response:
        """The card as `portrait show --json` prints it; `freshness` says for each group of fields as of when, `live` from what."""
        return Response(to_json(_card(service, user_id)), media_type="application/json")

    @app.get("/users/{user_id:any}/recommendations", responses={422: {"model": Refused}})
    def get_recommendations(user_id: str, which: Which = "blended", basket: Basket = "", store: Store = None) -> Response:
        """What to offer the user, with reasons: made now, with all that is acknowledged, where `live` is true; else as published.

        `as_of` says as of when, `note` what is missing. Whom nobody knows gets what is popular, and the note says so.
        """
        if which not in LISTS:
            raise HTTPException(422, f"list '{which}': there is no such list; choose one of {', '.join(LISTS)}")
        context = Context(store, tuple(item for item in basket.split(",") if item))
        try:
            told = service.engine.recommendations(user_id, which, context)
        except PortraitError as error:
            raise HTTPException(422, str(error)) from None
        return Response(to_json(told), media_type="application/json")

    @app.get("/health", responses={503: {"model": Refused}})
    async def get_health() -> dict[str, Any]:
        """200 while events are taken. `problems` is how many things go wrong beside that; /status says which."""
        if not service.is_running:
            raise HTTPException(503, "the service is stopping; its log says why")
        return {"status": "ok", "generation": service.engine.generation.name, "problems": len(service.problems)}

    @app.get("/status")
    async def get_status() -> dict[str, Any]:
        """Generation, log, backlog, and milliseconds from acknowledgement to the card."""
        return service.status()

    return app


async def _rows(request: Request) -> list[Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # what a page of another server can't send without asking first
        raise HTTPException(
            415, f"Content-Type is {kind[:100]!a}; events are JSON: send the header Content-Type: application/json"
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(request)
    except TimeoutError:
        reason = f"the request did not arrive within {BODY_SECONDS:g} seconds; send smaller batches"
        raise HTTPException(408, reason, headers={"Connection": "close"}) from None
    try:
        rows = rows_of(body)
    except BadBody as error:
        raise HTTPException(400, str(error)) from None
    if len(rows) > MOST_EVENTS:
        raise HTTPException(413, f"the request has {len(rows):,} events; send at most {MOST_EVENTS:,} at once")
    return rows


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the request is larger than {MOST_BYTES:,} bytes; send smaller batches")
    return bytes(body)


def _card(service: Service, user_id: str) -> dict[str, Any]:
    engine = service.engine
    if not engine.knows(user_id):
        if reason := engine.failed.get(user_id):
            raise HTTPException(
                503, f"user '{user_id}' can not be portrayed: {reason}; the events are kept", {"Retry-After": "60"}
            )
        raise HTTPException(404, f"user '{user_id}' has no event yet; send one to /events")
    return engine.card(user_id)


def serve(home: Home, port: int) -> None:
    """Serve a home on 127.0.0.1 until Ctrl-C or SIGTERM."""
    lock = home.settings.home_dir / "live.lock"
    if is_held(lock):
        raise PortraitError(
            f"another `portrait serve` runs on {home.settings.home_dir}; stop it first, one home has one live log"
        )
    with exclusive(lock, "portrait serve"):
        sys.setswitchinterval(0.0005)  # seconds: threads that each compute a little must not wait for one another's 5 ms
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # to be asked to stop is no failure
        with _listening(port) as listening, suppress(KeyboardInterrupt):
            service = Service(home)
            service.start()
            server(create_app(service)).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise PortraitError(
            f"port {port} can't be used ({(error.strerror or str(error)).lower()}); choose another: portrait serve --port {port + 1}"
        ) from None
    return listening
