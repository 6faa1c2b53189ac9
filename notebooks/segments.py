"""Segments: a map, names, sizes and flows."""

import marimo

app = marimo.App(width="full", app_title="Portrait: segments", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.errors import PortraitError
    from portrait_assets.pages.frame import notice, open_export, top_bar
    from portrait_assets.pages.html import text
    from portrait_assets.pages.segments_page import segments_page
    from portrait_assets.reading.segment_map import segment_map
    from portrait_assets.settings import Settings

    return PortraitError, Settings, mo, notice, open_export, segment_map, segments_page, text, top_bar


@app.cell
def _(Settings, mo, open_export, top_bar):
    published = Settings().published_dir
    found, missing = open_export(published)
    mo.Html(top_bar("segments", found) + missing)
    return found, published


@app.cell
def _(found, mo):
    mo.stop(found is None)
    export = found
    return (export,)


@app.cell
def _(PortraitError, export, mo, notice, segment_map, segments_page, text):
    try:
        page = segments_page(segment_map(export))
    except PortraitError as problem:
        page = notice("No map", text(problem))
    mo.Html(page)
    return


if __name__ == "__main__":
    app.run()
