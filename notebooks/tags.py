"""The tag catalogue, and how the data behind it are."""

import marimo

app = marimo.App(width="full", app_title="Portrait: tags and data", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.packs import load_pack
    from portrait_assets.packs.catalogue import DIMENSIONS
    from portrait_assets.pages.frame import begin
    from portrait_assets.pages.tags_page import health_page, tags_page
    from portrait_assets.settings import Settings

    return DIMENSIONS, Settings, begin, health_page, load_pack, mo, tags_page


@app.cell
def _(Settings, begin, mo):
    head, export = begin("tags", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
    return (export,)


@app.cell
def _(DIMENSIONS, Settings, export, health_page, mo):
    ALL = "all dimensions"
    dimension = mo.ui.dropdown([ALL, *DIMENSIONS], value=ALL, label="Dimension", allow_select_none=False)
    contains = mo.ui.text(label="Holds", placeholder="any word")
    mo.vstack([mo.Html(health_page(export, Settings().published_dir)), mo.hstack([dimension, contains], justify="start", gap=1.5)], gap=1)
    return ALL, contains, dimension


@app.cell
def _(ALL, contains, dimension, export, load_pack, mo, tags_page):
    pack = load_pack(str(export.manifest.get("pack", "ecommerce")))
    mo.Html(tags_page(export, pack, None if dimension.value == ALL else dimension.value, contains.value))
    return


if __name__ == "__main__":
    app.run()
