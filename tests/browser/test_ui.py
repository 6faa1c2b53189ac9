"""The pages, as a person sees them, in a real browser: the asset graph of Dagster and the explorer's card of a user."""

import importlib.util
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.request import urlopen

import pytest

from portrait_assets.home import open_home
from portrait_assets.settings import Settings
from portrait_assets.ui import Service, running, services
from tests.reading.conftest import write_export

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_SECONDS = 90

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("marimo") is None, reason="marimo is not installed"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of each page, served from a home with one small export and an empty warehouse."""
    settings = Settings(home=tmp_path_factory.mktemp("ui-home"))
    open_home(settings)
    write_export(settings.published_dir / "generation", source="by hand")
    (settings.published_dir / "current").symlink_to("generation")
    wanted = [service for service in services(settings, free_ports()) if service.name != "MLflow"]
    wanted = [replace(service, command=webserver(service)) if service.name == "Dagster" else service for service in wanted]
    with running(settings, wanted):
        for service in wanted:
            wait_for(service)
        yield {service.name: service.address for service in wanted}


def webserver(service: Service) -> tuple[str, ...]:
    """Dagster's webserver alone: what is looked at here needs no daemon."""
    python, module, _, _, *options = service.command
    return (python, module, "dagster_webserver", *options)


def free_ports() -> dict[str, int]:
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in ("Dagster", "MLflow", "Explorer")}
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    for one in sockets.values():
        one.close()
    return ports


def wait_for(service: Service) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            urlopen(service.address + service.ready_path, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{service.name} did not answer:\n{service.log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def page() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1400, "height": 1000})
        tab.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield tab
        browser.close()


def test_the_asset_graph_shows_every_layer_and_its_tables(pages: dict[str, str], page):
    page.set_viewport_size({"width": 1800, "height": 2600})  # what is out of sight is not drawn
    page.goto(f"{pages['Dagster']}/asset-groups")
    layers = ("raw", "clean", "features", "models", "scores", "portraits", "recommendations", "observability", "published")
    for group in layers:
        page.get_by_text(group, exact=True).first.wait_for()
    page.keyboard.press("Alt+e")
    for table in ("batches", "user_day", "behaviour", "snapshots", "export"):
        page.get_by_text(table, exact=True).first.wait_for(state="attached")


def test_the_explorer_shows_the_card_of_a_chosen_user(pages: dict[str, str], page):
    page.goto(pages["Explorer"])
    panel = page.get_by_role("tabpanel", name="One user")
    panel.get_by_role("heading", name="User 101").wait_for()
    card = panel.locator(".card")
    assert "Gouda [young]" in card.inner_text() and "bought on 3 of the last 4 visits" in card.inner_text()
    assert "7.8 days between shopping days on average, over 12 shopping days." in card.inner_text()
    panel.get_by_label("Id begins with").fill("102")
    page.keyboard.press("Tab")
    panel.get_by_role("heading", name="User 102").wait_for()
    assert "Nothing was recommended for this user." in card.inner_text()


def test_the_explorer_answers_a_question_in_sql(pages: dict[str, str], page):
    page.goto(pages["Explorer"])
    page.get_by_role("tab", name="Ask in SQL").click()
    page.get_by_role("tabpanel", name="Ask in SQL").get_by_text(
        "0 rows"
    ).first.wait_for()  # nobody in this home is lapsing and worth a lot
