"""Audiences: who, how many, what is special, why in or out, who is alike."""

import marimo

app = marimo.App(width="full", app_title="Portrait: audiences", css_file="explorer.css")


@app.cell
def _():
    import marimo as mo

    from portrait_assets.audiences import audience, building
    from portrait_assets.audiences.insight import insight, overlap
    from portrait_assets.audiences.why import why
    from portrait_assets.errors import PortraitError
    from portrait_assets.pages import audience_page as shown
    from portrait_assets.pages.frame import begin
    from portrait_assets.pages.html import text
    from portrait_assets.settings import Settings

    return PortraitError, Settings, audience, begin, building, insight, mo, overlap, shown, text, why


@app.cell
def _(Settings, begin, mo):
    head, export = begin("audience", Settings().published_dir)
    mo.stop(export is None, mo.Html(head))
    mo.Html(head)
    return (export,)


@app.cell
def _(Settings, building, mo):
    known = building.named(Settings())
    named = mo.ui.dropdown(list(known), value=next(iter(known)), label="Begin with", searchable=True)
    return known, named


@app.cell
def _(known, mo, named):
    expression = mo.ui.text_area(value=known.get(named.value, ""), rows=2, full_width=True, label="Who", debounce=True)
    return (expression,)


@app.cell
def _(PortraitError, audience, export, expression, mo, named, text):
    try:
        group, problem = audience(export, expression.value), ""
    except PortraitError as error:
        group, problem = None, f'<div class="pt"><p class="pt-sorry">{text(error)}</p></div>'
    mo.vstack([named, expression, mo.Html(problem)], gap=0.6)
    return (group,)


@app.cell
def _(group, mo, shown):
    mo.stop(group is None)
    mo.Html(shown.audience_page(group))
    return


@app.cell
def _(group, known, mo):
    mo.stop(group is None)
    other = mo.ui.dropdown(list(known), value=list(known)[-1], label="Overlap with", searchable=True, allow_select_none=False)
    user = mo.ui.text(value=(group.members["user_id"].to_list() or group.facts["user_id"].to_list() or [""])[0], label="Why this user")
    every = mo.ui.switch(label="also values that are as common as in all")
    return every, other, user


@app.cell
def _(every, group, insight, mo, shown):
    mo.vstack([every, mo.Html(shown.insight_page(insight(group), every.value))], gap=0.4) if group.size else None
    return


@app.cell
def _(PortraitError, audience, export, group, known, mo, other, overlap, shown, text):
    try:
        second = audience(export, known[other.value], values=False)
        both = shown.overlap_page(overlap(group, second), str(group.expression), str(second.expression))
    except PortraitError as error:
        both = f'<div class="pt"><p class="pt-sorry">{text(error)}</p></div>'
    mo.vstack([other, mo.Html(both)], gap=0.4)
    return


@app.cell
def _(PortraitError, group, mo, shown, text, user, why):
    try:
        reasons = shown.why_page(user.value.strip(), why(group, user.value.strip()))
    except PortraitError as error:
        reasons = f'<div class="pt"><p class="pt-sorry">{text(error)}</p></div>'
    mo.vstack([user, mo.Html(reasons)], gap=0.4)
    return


@app.cell
def _(group, mo, shown):
    mo.Html(shown.members_page(group) + shown.alike_page(group))
    return


@app.cell
def _(building, group, mo):
    files = [
        mo.download(lambda ending=ending: building.file_of(group, ending), filename=f"audience{ending}", label=f"Members as {ending[1:]}")
        for ending in (".parquet", ".csv", ".ndjson")
    ]
    mo.hstack(files, justify="start", gap=1)
    return


if __name__ == "__main__":
    app.run()
