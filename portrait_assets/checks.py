"""Asset checks. Each is a `.sql` file in sql/audits that returns the offending rows; none is the good answer.

A file is named `<schema>.<table>.<claim>.sql`; its first line says the claim. Checks of what everything else stands on are
blocking: when one fails, nothing downstream runs. What a tag may say is in the catalogue, so that one is not a file.
"""

import dagster as dg

from portrait_assets.assets.common import PREVIEW_ROWS, HomeParam, markdown_table
from portrait_assets.home import open_home
from portrait_assets.lineage import fixed_parameters
from portrait_assets.observability import foreign_tag_values
from portrait_assets.resources.sql import read_template
from portrait_assets.resources.warehouse import Warehouse
from portrait_assets.settings import SQL_DIR

BLOCKING = {
    "raw.batches.rows_accounted_for",
    "raw.quarantine.every_row_has_a_reason",
    "raw.events.day_is_utc_day",
    "clean.events.one_row_per_key",
    "clean.events.nothing_lost",
    "features.user_day.adds_up",
    "features.user_state.totals_match",
    "portraits.snapshots.nothing_from_the_future",
    "scores.predictions.models_saw_no_future",
}


def audit_names() -> list[str]:
    """All audits, by name."""
    return sorted(file.stem for file in (SQL_DIR / "audits").glob("*.sql"))


def _audit(name: str) -> dg.AssetChecksDefinition:
    schema, table, claim = name.split(".")
    file = f"audits/{name}.sql"

    @dg.asset_check(
        asset=dg.AssetKey([schema, table]),
        name=claim,
        description=read_template(file).splitlines()[0].removeprefix("-- "),
        blocking=name in BLOCKING,
    )
    def audit(warehouse: Warehouse, home: HomeParam) -> dg.AssetCheckResult:
        with warehouse.open(f"check {name}") as session:
            days = open_home(home.settings).days  # as they are now: the landing of this run may have extended them
            offenders = session.frame(session.sql(file), first=days.start, last=days.end, **fixed_parameters(home))
        return dg.AssetCheckResult(
            passed=offenders.is_empty(),
            metadata={
                "offenders": len(offenders),
                "first offenders": dg.MetadataValue.md(markdown_table(offenders.head(PREVIEW_ROWS))),
            },
        )

    return audit


CHECKS = [_audit(name) for name in audit_names()]


@dg.asset_check(
    asset=dg.AssetKey(["portraits", "changes"]),
    name="values_in_their_domains",
    description="A tag has a value that its catalogue entry allows: listed, or a name of the items, attributes or pattern it says.",
    blocking=True,
)
def values_in_their_domains(warehouse: Warehouse, home: HomeParam) -> dg.AssetCheckResult:
    with warehouse.open("check portraits.changes.values_in_their_domains") as session:
        offenders = foreign_tag_values(session, home.pack.tags)
    return dg.AssetCheckResult(
        passed=not offenders,
        description="; ".join(offenders[:PREVIEW_ROWS]) or None,
        metadata={"offenders": len(offenders)},
    )
