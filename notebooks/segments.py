"""Segments: a map, names, sizes and flows."""

import marimo

app = marimo.App(width="full", app_title="Portrait: segments", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.errors import PortraitError
    from portrait_assets.pages.frame import begin, notice
    from portrait_assets.pages.html import text
    from portrait_assets.pages.segments_page import segments_page
    from portrait_assets.reading.segment_map import segment_map
    from portrait_assets.settings import Settings

    return PortraitError, Settings, begin, mo, notice, segment_map, segments_page, text


@app.cell
def _(Settings, begin, mo):
    head, export = begin("segments", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
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
