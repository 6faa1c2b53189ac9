"""The explorer's server: one page a notebook, each at its own address. Needs the extra `notebooks` (marimo)."""

import argparse
from typing import Any

import uvicorn

from portrait_assets.pages.frame import PAGES
from portrait_assets.serving.access import LocalOnly
from portrait_assets.settings import PROJECT_DIR

NOTEBOOKS = PROJECT_DIR / "notebooks"


def application() -> Any:
    """All pages as one ASGI application; the card is at the root."""
    import marimo

    builder = marimo.create_asgi_app(quiet=True)
    for name, (address, _) in sorted(PAGES.items(), key=lambda page: -len(page[1][0])):
        builder = builder.with_app(path=address.rstrip("/") or "/", root=str(NOTEBOOKS / f"{name}.py"))
    return LocalOnly(builder.build())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    uvicorn.run(application(), host=asked.host, port=asked.port, log_level="warning")
