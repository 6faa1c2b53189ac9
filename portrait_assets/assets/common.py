"""What every asset shares: its home, its partitions, and how a materialization shows its work."""

import base64
import warnings
from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from portrait_assets import columns as c
from portrait_assets.assets.daily import refresh_days, runs_of, write_days
from portrait_assets.home import Home
from portrait_assets.lineage import BY_NAME, REFRESH_TAG, Ledger, code_version
from portrait_assets.partitions import DAY, Window
from portrait_assets.resources.session import Session
from portrait_assets.resources.sql import has_sql, sql_version
from portrait_assets.tables import Relation, Table, Wide

# Backfill policies are beta in Dagster 1.13; one run for a range of days is worth it.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

OWNERS = ["team:portrait"]
PREVIEW_ROWS = 8
COLUMN_SCHEMA = "dagster/column_schema"
WIDE = {value.name: value for value in vars(c).values() if isinstance(value, Wide)}

# What an asset says of its partitions. Those of a home are known when its definitions are built (see `of_days`), not before.
DAILY = dg.DailyPartitionsDefinition(start_date="1970-01-01")
WEEKLY = dg.WeeklyPartitionsDefinition(start_date="1970-01-01", day_offset=1)
SINGLE_RUN = dg.BackfillPolicy.single_run()

HomeParam = dg.ResourceParam[Home]
"""The home whose definitions a run was started from."""


def daily_of(days: Window) -> dg.DailyPartitionsDefinition:
    """One partition a day."""
    return dg.DailyPartitionsDefinition(start_date=str(days.start), end_date=str(days.end + DAY))


def weekly_of(days: Window) -> dg.WeeklyPartitionsDefinition:
    """One partition a week that begins on one of the days, from Monday on."""
    return dg.WeeklyPartitionsDefinition(start_date=str(days.start), end_date=str(days.end + 8 * DAY), day_offset=1)


def of_home(assets: Iterable[dg.AssetsDefinition], home: Home) -> list[dg.AssetsDefinition]:
    """The same assets with the partitions of the home's days, the versions that its ledger knows daily tables by, and the columns that
    its pack gives."""
    days = home.days
    partitions: dict[dg.PartitionsDefinition, dg.PartitionsDefinition] = {DAILY: daily_of(days), WEEKLY: weekly_of(days)}

    def with_days(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(partitions_def=partitions[spec.partitions_def]) if spec.partitions_def else spec

    schema = home.pack.schema

    def with_version(spec: dg.AssetSpec) -> dg.AssetSpec:
        name, file = ".".join(spec.key.path), f"{'/'.join(spec.key.path)}.sql"
        if name in BY_NAME:
            return spec.replace_attributes(code_version=code_version(BY_NAME[name], home))
        return spec.replace_attributes(code_version=sql_version(schema, file)) if has_sql(file) else spec

    def with_columns(spec: dg.AssetSpec) -> dg.AssetSpec:
        table = WIDE.get(".".join(spec.key.path))
        return spec.merge_attributes(metadata={COLUMN_SCHEMA: column_schema(schema.of(table))}) if table else spec

    return [each.map_asset_specs(lambda spec: with_columns(with_version(with_days(spec)))) for each in assets]


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The partition days this step is to write."""
    keys = context.partition_key_range
    return Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


def written(context: dg.AssetExecutionContext, session: Session, home: Home, table: Relation) -> int:
    """Write the step's window of a daily table, or in a run that refreshes, what is due of it; returns the rows written."""
    return (refresh_days if refreshes(context) else write_days)(session, home, table, window_of(context))


def windows_to_score(
    context: dg.AssetExecutionContext, session: Session, home: Home, tables: Iterable[Relation]
) -> list[Window]:
    """The step's window, or in a run that refreshes, the runs of days in it of which any of `tables` is due."""
    window, ledger = window_of(context), Ledger(session, home)
    if not refreshes(context):
        return [window]
    return runs_of({day for table in tables for day in ledger.due(table, window).whole})


def refreshes(context: dg.AssetExecutionContext) -> bool:
    """Whether the run writes only what is due."""
    return context.run.tags.get(REFRESH_TAG) == "true"


def column_schema(table: Table) -> dg.TableSchema:
    """A table's columns as Dagster shows them."""
    return dg.TableSchema([dg.TableColumn(column.name, column.type, description=column.meaning) for column in table.columns])


def definition_metadata(table: Relation) -> dict[str, Any]:
    """What is known of a table before it is ever materialized."""
    told = {"dagster/table_name": table.name, "grain": table.grain}
    return told | {COLUMN_SCHEMA: column_schema(table)} if isinstance(table, Table) else told


def shown(
    context: dg.AssetExecutionContext,
    session: Session,
    table: Relation,
    rows: int,
    window: Window | None = None,
    plot: bytes | None = None,
    **metadata: Any,
) -> dg.MaterializeResult:
    """The result of a materialization: row count, days, a preview, and a picture where there is one.

    Of a range of days the last one alone has the preview and the picture: Dagster would keep a copy with each.
    """
    key = dg.AssetKey(table.name.split("."))
    session.result = f"{rows:,} rows" + (f" of {len(window):,} days" if window else "")
    preview = session.frame(f"select * from {table.name} {_preview_filter(table, window)} limit {PREVIEW_ROWS}")
    large: dict[str, Any] = {"preview": dg.MetadataValue.md(markdown_table(preview)), **metadata}
    if plot is not None:
        large["plot"] = picture(plot)
    if window is None or not context.has_partition_key_range:
        return dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows, **large})
    context.add_asset_metadata(large, asset_key=key, partition_key=context.partition_key_range.end)
    return dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows, "days": f"{window} ({len(window)})"})


def _preview_filter(table: Relation, window: Window | None) -> str:
    return f"where {table.partition} = date '{window.end}'" if window and table.partition else ""


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG inside metadata."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def markdown_table(frame: pl.DataFrame) -> str:
    """A small frame as a Markdown table; wide frames show their first columns."""
    shown_columns = frame.columns[:14]
    lines = ["| " + " | ".join(shown_columns) + " |", "|" + "---|" * len(shown_columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in frame.select(shown_columns).rows()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return (text if len(text) <= 60 else text[:57] + "…").replace("|", "\\|").replace("\n", " ")
