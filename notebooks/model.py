"""Model quality: heads, calibration, limits."""

import marimo

app = marimo.App(width="full", app_title="Portrait: model quality", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.pages.frame import begin
    from portrait_assets.pages.model_page import model_page
    from portrait_assets.reading.model_figures import read_figures
    from portrait_assets.settings import Settings

    return Settings, begin, mo, model_page, read_figures


@app.cell
def _(Settings, begin, mo):
    head, export = begin("model", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
    return (export,)


@app.cell
def _(Settings, export, mo, model_page, read_figures):
    versions = export.model_versions
    mo.Html(model_page(export, read_figures(Settings().models_dir, versions[0]) if versions else {}))
    return


if __name__ == "__main__":
    app.run()
