"""One user: the whole card."""

import marimo

app = marimo.App(width="full", app_title="Portrait: one user", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.narration import narrated
    from portrait_assets.pages.card_page import card_page
    from portrait_assets.pages.frame import begin
    from portrait_assets.pages.html import text
    from portrait_assets.reading.card import card
    from portrait_assets.reading.choosing import EVERYBODY, MOST_OFFERED, asked_for, choices, offered
    from portrait_assets.settings import Settings

    return EVERYBODY, MOST_OFFERED, Settings, asked_for, begin, card, card_page, choices, mo, narrated, offered, text


@app.cell
def _(Settings, begin, mo):
    head, export = begin("user", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
    return (export,)


@app.cell
def _(EVERYBODY, asked_for, choices, export, mo):
    asked, sorry = asked_for(export, mo.query_params().get("user"))
    segments, stages = choices(export)
    segment = mo.ui.dropdown([EVERYBODY, *segments], value=EVERYBODY, label="Segment")
    stage = mo.ui.dropdown([EVERYBODY, *stages], value=EVERYBODY, label="Lifecycle")
    beginning = mo.ui.text(value=asked or "", label="Id begins with", placeholder="any")
    return asked, beginning, segment, sorry, stage


@app.cell
def _(MOST_OFFERED, asked, beginning, export, mo, offered, segment, stage):
    ids, first = offered(export, segment.value, stage.value, beginning.value)
    shown = ids[:MOST_OFFERED]
    user = mo.ui.dropdown(
        shown, value=asked if asked in shown else first, label="User", searchable=True, allow_select_none=False
    ) if shown else None
    count = f"{len(ids):,} users" + (f", the first {MOST_OFFERED:,} offered" if len(ids) > MOST_OFFERED else "")
    mo.hstack([*([] if user is None else [user]), segment, stage, beginning, mo.md(count)], justify="start", align="center", gap=1.5, wrap=True)
    return (user,)


@app.cell
def _(Settings, card, card_page, export, mo, narrated, sorry, text, user):
    said = f'<div class="pt"><p class="pt-sorry">{text(sorry)}</p></div>' if sorry else ""
    nobody = '<div class="pt"><p class="pt-sorry">Nobody is like that. Choose another segment, lifecycle or beginning of the id.</p></div>'
    mo.Html(said + (nobody if user is None else card_page(narrated(card(export, user.value), Settings()))))
    return


if __name__ == "__main__":
    app.run()
