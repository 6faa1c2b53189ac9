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
    card = page.locator(".card")
    card.get_by_role("heading", name="User 101").wait_for()
    said = card.inner_text()
    for part in (
        "Gouda [young]", "bought on 3 of the last 4 visits", "7.8 days between shopping days on average, over 12 shopping days.",
        "This is an active customer of high value", "Not known:", "Inferred at 62 %",
    ):  # fmt: skip
        assert part in said, part
    page.get_by_label("Id begins with").fill("102")
    page.keyboard.press("Tab")
    card.get_by_role("heading", name="User 102").wait_for()
    assert "no recommendation was made for this user" in card.inner_text()


def test_an_address_names_a_user_and_an_unknown_one_gets_a_kind_line(pages: dict[str, str], page):
    page.goto(f"{pages['Explorer']}/?user=102")
    page.locator(".card").get_by_role("heading", name="User 102").wait_for()
    page.goto(f"{pages['Explorer']}/?user=nobody")
    page.get_by_text("user 'nobody' has no event before 2017-10-01").wait_for()


@pytest.mark.parametrize(
    ("link", "kind", "said"),
    [
        ("Everybody", "overview", "LIFECYCLE"),
        ("Segments", "segments", "MAP OF USERS"),
        ("Models", "notice", "No figures here"),
        ("Tags and data", "tags", "shopping_frequency"),
    ],
)
def test_each_page_is_a_click_away(pages: dict[str, str], page, link: str, kind: str, said: str):
    page.goto(f"{pages['Explorer']}/ask/")
    page.get_by_role("link", name=link, exact=True).click()
    page.locator(f".{kind}").wait_for()
    page.locator("nav .here").get_by_text(link, exact=True).wait_for()
    assert said.casefold() in page.locator(f".{kind}").inner_text().casefold()


def test_an_audience_is_counted_explained_and_a_slip_is_told(pages: dict[str, str], page):
    page.goto(f"{pages['Explorer']}/audience/")
    page.get_by_label("Who").fill("lifecycle = new")
    page.keyboard.press("Tab")
    page.locator(".audience").get_by_text("of 3 users").wait_for()
    page.locator(".why").get_by_text("User 102 is in.").wait_for()
    page.locator(".members").get_by_role("link", name="102").wait_for()
    page.get_by_label("Who").fill("lifecyle = new")
    page.keyboard.press("Tab")
    page.get_by_text("nearest: lifecycle").wait_for()


def test_the_explorer_answers_a_question_in_sql(pages: dict[str, str], page):
    page.goto(f"{pages['Explorer']}/ask/")
    page.get_by_text("0 rows").first.wait_for()  # nobody in this home is lapsing and worth a lot
