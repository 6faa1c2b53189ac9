"""Everybody: stages, segments, value, risk, movement."""

import marimo

app = marimo.App(width="full", app_title="Portrait: everybody", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.pages.frame import open_export, top_bar
    from portrait_assets.pages.overview_page import overview_page
    from portrait_assets.settings import Settings

    return Settings, mo, open_export, overview_page, top_bar


@app.cell
def _(Settings, mo, open_export, top_bar):
    published = Settings().published_dir
    found, missing = open_export(published)
    mo.Html(top_bar("everybody", found) + missing)
    return found, published


@app.cell
def _(found, mo):
    mo.stop(found is None)
    export = found
    return (export,)


@app.cell
def _(export, mo, overview_page):
    mo.Html(overview_page(export))
    return


if __name__ == "__main__":
    app.run()
