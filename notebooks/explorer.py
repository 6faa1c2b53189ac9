"""The explorer: a page to look at published portraits with. `make ui` serves it; `marimo edit notebooks/explorer.py` opens its code.

It reads the published export alone (PORTRAIT_HOME/published/current), never the warehouse, so it can run beside anything.
"""

import marimo

app = marimo.App(width="full", app_title="Portrait", css_file="explorer.css")


@app.cell
def _():
    import duckdb
    import marimo as mo
    import polars as pl
    from pages import card_page, overview_page, top_bar

    from portrait_assets.errors import PortraitError
    from portrait_assets.reading import Export
    from portrait_assets.reading.card import card
    from portrait_assets.settings import Settings

    return Export, PortraitError, Settings, card, card_page, duckdb, mo, overview_page, pl, top_bar


@app.cell
def _(Export, PortraitError, Settings, mo):
    current = Settings().published_dir / "current"
    mo.stop(
        not current.exists(),
        mo.md(
            "### Nothing to show yet\n\nNothing was published in this home. Run `make run`, or in Dagster the jobs "
            "`ingest`, `train`, `portraits` and `publish` in this order; then load this page again."
        ),
    )
    try:
        export = Export.open(current.resolve())
    except PortraitError as problem:
        mo.stop(True, mo.callout(mo.plain_text(str(problem)), kind="danger"))
    return (export,)


@app.cell
def _(export, pl):
    portraits = export.scan("portraits").collect()
    changes_by_day = (
        export.scan("changes")
        .filter(pl.col("event_date") > pl.col("event_date").min(), pl.col("cause") != "model")
        .group_by("event_date")
        .agg(pl.len().alias("size"))
        .collect()
    )
    return changes_by_day, portraits


@app.cell
def _(export, mo, portraits, top_bar):
    mo.Html(top_bar(export.manifest, export.generation, portraits.height))
    return


@app.cell
def _(mo, portraits):
    EVERYBODY = "everybody"
    segments = sorted(portraits["segment"].drop_nulls().unique())
    stages = sorted(portraits["lifecycle"].drop_nulls().unique())
    segment = mo.ui.dropdown([EVERYBODY, *segments], value=EVERYBODY, label="Segment")
    stage = mo.ui.dropdown([EVERYBODY, *stages], value=EVERYBODY, label="Lifecycle")
    beginning = mo.ui.text(label="Id begins with", placeholder="any")
    return EVERYBODY, beginning, segment, stage


@app.cell
def _(EVERYBODY, beginning, mo, pl, portraits, segment, stage):
    MOST_OFFERED = 5000
    chosen = portraits.filter(pl.col("user_id").str.starts_with(beginning.value.strip()))
    if segment.value != EVERYBODY:
        chosen = chosen.filter(pl.col("segment") == segment.value)
    if stage.value != EVERYBODY:
        chosen = chosen.filter(pl.col("lifecycle") == stage.value)
    ids = chosen.sort(pl.col("user_id").str.len_chars(), "user_id")["user_id"].to_list()
    worth_a_look = chosen.filter(pl.col("user_id").is_in(ids[:MOST_OFFERED])).sort(
        (pl.col("lifecycle") == "lapsing") & (pl.col("value_tier") == "high"), "active_days", "user_id",
        descending=[True, True, False], nulls_last=True,
    )["user_id"].to_list()
    user = mo.ui.dropdown(ids[:MOST_OFFERED], value=worth_a_look[0] if ids else None, label="User", searchable=True, allow_select_none=False)
    offered = mo.md(f"{len(ids):,} users" + (f", the first {MOST_OFFERED:,} offered" if len(ids) > MOST_OFFERED else ""))
    return offered, user


@app.cell
def _(beginning, card, card_page, export, mo, offered, segment, stage, user):
    if user.value is None:
        one_user = mo.md("Nobody is like that. Choose another segment, lifecycle or beginning of the id.")
    else:
        one_user = mo.Html(card_page(card(export, user.value)))
    picker = mo.hstack([user, segment, stage, beginning, offered], justify="start", align="center", gap=1.5, wrap=True)
    one = mo.vstack([picker, one_user], gap=1)
    return (one,)


@app.cell
def _(changes_by_day, mo, overview_page, portraits):
    everybody = mo.Html(overview_page(portraits, changes_by_day))
    return (everybody,)


@app.cell
def _(mo):
    QUESTIONS = {
        "Who is lapsing, worth a lot, and why?": """\
select p.user_id, t.evidence ->> 'recency_days' as days_away, round(p.mean_gap_days, 1) as usual_gap_days,
       round(p.spend_cents_365d / 100, 2) as spend_365d, t.confidence, t.valid_from as lapsing_since, t.evidence
from portraits as p
join tags as t using (user_id)
where t.tag_id = 'lifecycle' and t."value" = 'lapsing' and p.value_tier = 'high'
order by p.spend_cents_365d desc, p.user_id""",
        "Which champions are likely to stop, and what would they buy?": """\
select p.user_id, round(p.churn_14d, 2) as churn_14d, p.top_department, r.item_name, r.reason
from portraits as p
join recommendations as r on r.user_id = p.user_id and r."rank" = 1
where p.segment = 'champions' and p.churn_14d is not null
order by p.churn_14d desc, p.user_id
limit 50""",
        "Who moved between segments in the last week, and because of what?": """\
select event_date, from_value, to_value, cause, count(*) as users
from changes
where tag_id = 'segment' and event_date > (select max(event_date) from changes) - 7
group by all
order by event_date desc, users desc, from_value, to_value, cause""",
    }
    question = mo.ui.dropdown(QUESTIONS, value=next(iter(QUESTIONS)), label="A question", full_width=True)
    return (question,)


@app.cell
def _(mo, question):
    query = mo.ui.code_editor(question.value, language="sql", min_height=150)
    ask = mo.ui.run_button(label="Run")
    return ask, query


@app.cell
def _(ask, duckdb, export, mo, query, question):
    def answer(sql: str):
        """Run `sql` on a connection that can read this export and nothing else."""
        with duckdb.connect() as connection:
            for name in sorted(export.manifest["rows"]):
                file = str(export.folder / name).replace("'", "''")
                connection.execute(f"create view \"{name.removesuffix('.parquet')}\" as from read_parquet('{file}')").fetchall()
            folder = str(export.folder).replace("'", "''")
            for setting in (f"allowed_directories = ['{folder}/']", "enable_external_access = false", "lock_configuration = true"):
                connection.execute(f"set {setting}").fetchall()
            return connection.sql(sql).pl()

    wanted = query.value if ask.value else question.value
    try:
        found = answer(wanted)
        shown = mo.vstack([mo.md(f"{found.height:,} rows"), mo.ui.table(found, selection=None, page_size=12)])
    except (duckdb.Error, AttributeError) as refusal:
        shown = mo.callout(mo.plain_text(str(refusal)), kind="danger")
    asked = mo.vstack([question, query, ask, shown], gap=1)
    return (asked,)


@app.cell
def _(asked, everybody, mo, one):
    mo.ui.tabs({"One user": one, "Everybody": everybody, "Ask in SQL": asked})
    return


if __name__ == "__main__":
    app.run()
