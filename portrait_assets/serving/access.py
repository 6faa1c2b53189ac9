"""Who may ask a server on this machine: programs on it, and the pages that the server itself has sent.

Whatever page a person has open, their browser sends its requests to 127.0.0.1 if it asks for that. Such a request names the page in
`Origin`, and one to a name that was pointed to 127.0.0.1 afterwards (DNS rebinding) has that name in `Host`.
"""

import re
from typing import Any

from fastapi.responses import JSONResponse

PORT = re.compile(r":[0-9]+\Z")
LOCAL = ("127.0.0.1", "localhost", "[::1]")


class LocalOnly:
    """An ASGI application whose requests and web sockets are refused where they are a foreign page's."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        reason = refusal(scope["headers"]) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await JSONResponse({"detail": reason}, 403)(scope, receive, send)


def refusal(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Why a request with these headers is a foreign page's; None where it is none."""
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
    for host in hosts or ["none"]:
        if PORT.sub("", host) not in LOCAL:
            return f"Host is {host[:100]!a}: this server answers to {', '.join(LOCAL)} alone"
    for origin in origins:
        if origin != f"http://{hosts[0]}":
            return f"Origin is {origin[:100]!a}: pages of other servers may not use this one"
    return None
