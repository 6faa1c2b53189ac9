"""Questions in SQL to the published generation."""

import marimo

app = marimo.App(width="full", app_title="Portrait: ask in SQL", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.errors import PortraitError
    from portrait_assets.pages.frame import begin
    from portrait_assets.reading.ask import QUESTIONS, answer
    from portrait_assets.settings import Settings

    return QUESTIONS, PortraitError, Settings, answer, begin, mo


@app.cell
def _(Settings, begin, mo):
    head, export = begin("ask", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
    return (export,)


@app.cell
def _(QUESTIONS, export, mo):
    tables = ", ".join(f"`{name.removesuffix('.parquet')}`" for name in sorted(export.manifest["rows"]))
    question = mo.ui.dropdown(QUESTIONS, value=next(iter(QUESTIONS)), label="A question", full_width=True)
    mo.vstack([question, mo.md(f"Tables: {tables}")], gap=0.4)
    return (question,)


@app.cell
def _(mo, question):
    query = mo.ui.code_editor(question.value, language="sql", min_height=150)
    ask = mo.ui.run_button(label="Run")
    mo.vstack([query, ask], gap=0.4)
    return ask, query


@app.cell
def _(PortraitError, answer, ask, export, mo, query, question):
    try:
        rows = answer(export, query.value if ask.value else question.value)
        result = mo.vstack([mo.md(f"{rows.height:,} rows"), mo.ui.table(rows, selection=None, page_size=12, show_download=False)])
    except PortraitError as refusal:
        result = mo.callout(mo.plain_text(str(refusal)), kind="danger")
    result
    return


if __name__ == "__main__":
    app.run()
