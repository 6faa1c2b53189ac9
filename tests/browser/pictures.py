"""Takes the pictures of docs/images from a running `portrait ui`: python -m tests.browser.pictures [FOLDER].

Not a test: run it after `portrait run` and `portrait ui` on the whole Complete Journey when the pages have changed.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from portrait_assets.ui import HOST, PORTS
from tests.browser.test_ui import CHROMIUM, FLAGS

AT = {name: f"http://{HOST}:{port}" for name, port in PORTS.items()}
SETTLE_MS = 2500


def asset_graph(page: Any) -> None:
    """The lineage page, all layers from left to right, with its navigation folded; loaded again so that the graph fits what is left."""
    width, height = 1400, 480
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{AT['Dagster']}/asset-groups")
    page.get_by_text("recommendations", exact=True).last.wait_for()
    page.get_by_text("Hide navigation").click()
    page.wait_for_timeout(SETTLE_MS)
    page.reload()
    page.get_by_text("recommendations", exact=True).last.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    page.mouse.click(width - 27, height - 149)  # zoom out


def asset_metadata(page: Any) -> None:
    """The snapshots' page: status, checks, columns with their meaning."""
    page.goto(f"{AT['Dagster']}/assets/portraits/snapshots?view=overview")
    page.get_by_text("Column name").first.wait_for()


def asset_plot(page: Any) -> None:
    """What a materialization shows: row count, preview and plot."""
    page.goto(f"{AT['Dagster']}/assets/portraits/snapshots?view=events")
    page.get_by_text("Show Markdown").last.click()
    page.locator("img[alt='plot']").wait_for()


def partitions(page: Any) -> None:
    """Every day of the year, materialized."""
    page.goto(f"{AT['Dagster']}/assets/portraits/snapshots?view=partitions")
    page.get_by_text("2017-12-31").first.click()
    page.get_by_text("Row count").or_(page.get_by_text("dagster/row_count")).first.wait_for()


def mlflow_run(page: Any) -> None:
    """The newest run of the behaviour model: what it logged, and its heads beside the windowed counts."""
    page.set_viewport_size({"width": 1400, "height": 760})
    page.goto(AT["MLflow"])
    page.get_by_text("Model training", exact=True).first.click()
    page.get_by_text("MLflow Assistant").locator("xpath=following::button[3]").click()
    page.goto(f"{AT['MLflow']}/#/experiments/1/runs")
    page.get_by_role("link", name="behaviour 20").first.click()
    page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).first.click()
    page.get_by_text("tables", exact=True).click()
    page.get_by_text("plots", exact=True).click()
    page.get_by_text("heads_against_windowed_counts.png").click()
    page.get_by_text("Path: file:").evaluate("line => line.remove()")  # where this machine keeps its home is nobody's business


def _explorer(page: Any, address: str, kind: str, height: int) -> None:
    page.set_viewport_size({"width": 1280, "height": height})
    page.goto(AT["Explorer"] + address)
    page.locator(f".{kind}").first.wait_for()


def explorer(page: Any) -> None:
    """The card of a user."""
    _explorer(page, "/", "card", 1500)


def explorer_everybody(page: Any) -> None:
    """Everybody at once."""
    _explorer(page, "/everybody/", "overview", 1140)


def explorer_audience(page: Any) -> None:
    """An audience: size, what is special, overlap, why in or out."""
    _explorer(page, "/audience/", "insight", 1500)


def explorer_segments(page: Any) -> None:
    """The map of users, and who went where."""
    _explorer(page, "/segments/", "segments", 1080)


def explorer_model(page: Any) -> None:
    """Heads, calibration, limits."""
    _explorer(page, "/model/", "model", 1350)


def explorer_tags(page: Any) -> None:
    """The catalogue, and the health of the data."""
    _explorer(page, "/tags/", "tags", 1200)


def explorer_ask(page: Any) -> None:
    """A question in SQL."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{AT['Explorer']}/ask/")
    page.get_by_text("rows", exact=False).first.wait_for()


PICTURES: tuple[Callable[[Any], None], ...] = (
    asset_graph, asset_metadata, asset_plot, partitions, mlflow_run, explorer, explorer_everybody,
    explorer_audience, explorer_segments, explorer_model, explorer_tags, explorer_ask,
)  # fmt: skip


def shrink(png: bytes, file: Path) -> None:
    """At most 1,400 pixels wide, in 256 colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.width > 1400:
        image = image.resize((1400, image.height * 1400 // image.width), Image.Resampling.LANCZOS)
    image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, optimize=True)


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for picture in PICTURES:
            if names and picture.__name__ not in names:
                continue
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            picture(page)
            page.wait_for_timeout(SETTLE_MS)
            shrink(page.screenshot(), folder / f"{picture.__name__}.png")
            page.close()
            print(folder / f"{picture.__name__}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"), sys.argv[2:])
