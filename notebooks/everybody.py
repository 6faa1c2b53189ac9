"""Everybody: stages, segments, value, risk, movement."""

import marimo

app = marimo.App(width="full", app_title="Portrait: everybody", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.pages.frame import begin
    from portrait_assets.pages.overview_page import overview_page
    from portrait_assets.settings import Settings

    return Settings, begin, mo, overview_page


@app.cell
def _(Settings, begin, mo):
    head, export = begin("everybody", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
    return (export,)


@app.cell
def _(export, mo, overview_page):
    mo.Html(overview_page(export))
    return


if __name__ == "__main__":
    app.run()
