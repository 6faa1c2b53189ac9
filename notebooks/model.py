"""Model quality: heads, calibration, limits."""

import marimo

app = marimo.App(width="full", app_title="Portrait: model quality", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.pages.frame import open_export, top_bar
    from portrait_assets.pages.model_page import model_page
    from portrait_assets.reading.model_figures import read_figures
    from portrait_assets.settings import Settings

    return Settings, mo, model_page, open_export, read_figures, top_bar


@app.cell
def _(Settings, mo, open_export, top_bar):
    published = Settings().published_dir
    found, missing = open_export(published)
    mo.Html(top_bar("model", found) + missing)
    return found, published


@app.cell
def _(found, mo):
    mo.stop(found is None)
    export = found
    return (export,)


@app.cell
def _(Settings, export, mo, model_page, read_figures):
    versions = export.model_versions
    mo.Html(model_page(export, read_figures(Settings().models_dir, versions[0]) if versions else {}))
    return


if __name__ == "__main__":
    app.run()
