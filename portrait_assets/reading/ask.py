"""Questions in SQL to one export: a connection that can read its files, and can neither write nor read anything else."""

import duckdb
import polars as pl
import pyarrow.dataset

from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export

MOST_ROWS = 10_000

QUESTIONS = {
    "Who is lapsing, worth a lot, and why?": """\
select p.user_id, t.evidence ->> 'recency_days' as days_away, round(p.usual_gap_days, 1) as usual_gap_days,
       round(p.net_spend_cents_365d / 100, 2) as spend_365d, t.confidence, t.valid_from as lapsing_since, t.evidence
from portraits as p
join tags as t using (user_id)
where t.tag_id = 'lifecycle' and t."value" = 'lapsing' and p.value_tier = 'high'
order by p.net_spend_cents_365d desc, p.user_id""",
    "Which champions are likely to stop, and what would they buy?": """\
select p.user_id, round(p.churn, 2) as churn, p.top_department, r.item_name, r.reason
from portraits as p
join recommendations as r on r.user_id = p.user_id and r."rank" = 1
where p.segment = 'champions' and p.churn is not null
order by p.churn desc, p.user_id
limit 50""",
    "Who moved between segments in the last week, and because of what?": """\
select event_date, from_value, to_value, cause, count(*) as users
from changes
where tag_id = 'rfm_segment' and event_date > (select max(event_date) from changes) - 7
group by all
order by event_date desc, users desc, from_value, to_value, cause""",
}


def answer(export: Export, sql: str) -> pl.DataFrame:
    """The rows that `sql` finds, at most MOST_ROWS; each file of the export is a table. PortraitError with DuckDB's own words.

    The files are read by Arrow, so that DuckDB needs no file of any folder: what it may read it could also overwrite.
    """
    with duckdb.connect(config={"enable_external_access": "false", "temp_directory": ""}) as connection:
        for name in sorted(export.manifest["rows"]):
            connection.register(name.removesuffix(".parquet"), pyarrow.dataset.dataset(export.folder / name))
        try:
            statements = connection.extract_statements(sql)
            if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                raise PortraitError("this is no question: write one select")
            return connection.sql(statements[0].query).limit(MOST_ROWS).pl()
        except duckdb.Error as refusal:
            raise PortraitError(str(refusal)) from None
