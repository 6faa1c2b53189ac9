"""What stands above every page: the name, the way to the others, and which generation is shown."""

from pathlib import Path

from portrait_assets.errors import PortraitError
from portrait_assets.pages.html import grid, text
from portrait_assets.reading import Export
from portrait_assets.reading.words import day

PAGES = {
    "user": ("/", "One user"),
    "everybody": ("/everybody/", "Everybody"),
    "audience": ("/audience/", "Audiences"),
    "segments": ("/segments/", "Segments"),
    "model": ("/model/", "Models"),
    "tags": ("/tags/", "Tags and data"),
    "ask": ("/ask/", "Ask in SQL"),
}
NOTHING_YET = (
    "Nothing was published in this home yet. Run <code>make run</code>, or in Dagster the jobs <code>ingest</code>, "
    "<code>train</code>, <code>portraits</code> and <code>publish</code> in this order; then load this page again."
)


def begin(page: str, published: Path) -> tuple[str, Export | None]:
    """The head of the page of this name, and the generation it is about; without one the head says why."""
    export, missing = open_export(published)
    return top_bar(page, export) + missing, export


def open_export(published: Path) -> tuple[Export | None, str]:
    """The current generation, and what to show instead where there is none or it is damaged."""
    if not (published / "current").exists():
        return None, notice("Nothing to show yet", NOTHING_YET)
    try:
        return Export.current(published), ""
    except PortraitError as problem:
        return None, notice("This generation can not be shown", text(problem))


def notice(title: str, body: str) -> str:
    """A kind word where a page has nothing to show; `body` is HTML."""
    return grid(f'<section class="pt-box pt-notice c12"><h1>{text(title)}</h1><p>{body}</p></section>', kind="notice")


def top_bar(page: str, export: Export | None) -> str:
    """The head of the page of this name."""
    links = "".join(
        f'<a href="{address}" target="_self"{" class=here" if name == page else ""}>{text(title)}</a>'
        for name, (address, title) in PAGES.items()
    )
    return f'<header class="pt pt-top"><h1><span>●</span> Portrait</h1><nav>{links}</nav><div class="facts">{_facts(export)}</div></header>'


def _facts(export: Export | None) -> str:
    if export is None:
        return "no generation"
    model = (export.manifest.get("model_versions") or {}).get("behaviour")
    users = export.manifest.get("rows", {}).get("portraits.parquet", 0)
    said = f"model {model[:8]}" if model else "no model yet"
    return (
        f"{text(export.manifest.get('source', ''))} · {users:,} users · as of <b>{day(export.as_of)}</b>, 00:00 UTC<br>"
        f"generation {text(export.generation)} · {text(said)}"
    )
