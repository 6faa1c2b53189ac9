"""Campaigns: which items one is for, whom to target with them, and how well that would have worked at the campaigns of the past."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from portrait_assets import sources
from portrait_assets.assets.recommending import stage_withheld
from portrait_assets.assets.training import HORIZON, ITEMS, lines_at
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.lineage import models_in_force
from portrait_assets.model_card import table
from portrait_assets.partitions import Window, as_of_of, partition_of
from portrait_assets.resources.session import Session
from portrait_assets.sources.expressions import first_line, references
from portrait_assets.spreadsheet import write_csv
from portrait_assets.terminal import printable
from portrait_assets.words_near import nearest

if TYPE_CHECKING:
    from portrait_assets.kernels.ranking.campaigns import Campaign
    from portrait_assets.kernels.ranking.lines import Lines

PROPENSITY = (
    "Propensity: how likely they buy any of it within 14 days, campaign or not. It is no uplift: nobody was left untreated at random, "
    "so what the campaign would change is not known."
)
EXPOSURES = """
select campaign_id, user_id, min(event_date) as starts from clean.events
where event_type = 'exposure' and campaign_id is not null group by campaign_id, user_id order by campaign_id, user_id
"""
REDEMPTIONS = """
select distinct campaign_id, user_id from clean.events
where event_type = 'coupon' and campaign_id is not null order by campaign_id, user_id
"""
SECTIONS = {  # of the page: a table's name -> its title and what it shows
    "overall": (
        "All campaigns together",
        "Bought: who bought any item of a coupon in the fortnight from the campaign's start, of all users known before; coupon by coupon, "
        "those with at least ten buyers. Redeemed: who redeemed any coupon of the campaign, of those who got it; campaigns with at least ten "
        "such. AUC, and how many times as many came true among the best tenth as among all; means over the sets of items.",
    ),
    "rivals": ("Campaign by campaign", "The same, each by a model that learnt from what was before its start."),
    "calibration": ("Calibration", "Chances over all users and all coupons of a campaign."),
    "uplift": (
        "What recipients bought more",
        "Who bought any item of the campaign in its first fortnight: of recipients, of all others, and of others in the same tenths of the "
        "recipients' propensity (a tenth without others is left out of both); the difference to these with its 95 % interval. It is observed, "
        "not caused: who got a campaign was not drawn at random, and whoever chose them may have known more than propensity does.",
    ),
}


@dataclass(frozen=True)
class Targets:
    """Whom to target. `of_set` items of those asked for were sold before; `withheld` more are kept back by the pack's rules."""

    frame: pl.DataFrame
    as_of: date
    model: str
    of_set: int
    withheld: int

    @property
    def expected(self) -> float:
        """How many of them are expected to buy."""
        return float(self.frame["propensity"].sum())


def items_of_file(file: Path) -> list[str]:
    """One item id a line; PortraitError where the file can't be read or is empty."""
    try:
        items = sorted({line.strip() for line in file.read_text(encoding="utf-8").splitlines()} - {""})
    except (OSError, UnicodeDecodeError) as error:
        raise PortraitError(f"--items {file}: can't be read ({error}); give a text file with one item id a line") from None
    if not items:
        raise PortraitError(f"--items {file}: is empty; write one item id a line")
    return items


def items_where(session: Session, condition: str) -> list[str]:
    """The described items for which a SQL condition on their columns holds; PortraitError where it is none or holds for nothing."""
    items = session.frame(ITEMS)
    with duckdb.connect() as beside:
        beside.register("items", items.to_arrow())
        try:
            whole = f"({condition}\n)"
            references(beside, whole, "--where")  # refuses what could read anything but the item's own row
            found = beside.table("items").filter(whole).project("item_id").order("item_id").fetchall()
        except (duckdb.Error, RuntimeError, PortraitError) as error:
            reason = first_line(error) if isinstance(error, duckdb.Error) else str(error).removeprefix(f"--where: `{whole}` ")
            raise PortraitError(
                f'--where "{printable(condition)}": {printable(reason)}; it is a SQL condition on {", ".join(items.columns)}'
            ) from None
    if not found:
        raise PortraitError(f'--where "{condition}": holds for no item; look at `portrait items` or the items\' names')
    return [item for (item,) in found]


def items_of_coupon(home: Home, coupon: str) -> list[str]:
    """The items that a coupon of the source is for; PortraitError where there is none of that name."""
    coupons = sources.coupons_of(home.source)
    found = coupons.filter(pl.col("coupon_id") == coupon)["item_id"].unique().sort().to_list()
    if not found:
        known = coupons["coupon_id"].unique().to_list()
        raise PortraitError(f"--coupon '{coupon}': there is no such coupon among {len(known):,}{nearest(coupon, known)}")
    return found


def targets(session: Session, home: Home, as_of: date, asked: list[str], count: int) -> Targets:
    """The `count` users likeliest to buy any of the items `asked` within the horizon from as_of, by what was known before it.

    PortraitError without a model in force, and where nothing of the set was ever sold or may be offered.
    """
    from portrait_assets.kernels import storage
    from portrait_assets.kernels.ranking.lines import lines_from
    from portrait_assets.kernels.ranking.targets import target

    day = partition_of(as_of)
    version = models_in_force(session, Window(day, day))[day]
    ranker = storage.load(home.settings.models_dir / version)[0].ranker if version else None
    if version is None or ranker is None:
        first = session.scalar("select min(trained_through) from models.registry where status = 'champion'")
        later = f"the first one is of {first}" if first else "none was trained yet"
        raise PortraitError(
            f"campaign, as of {as_of}: no model is in force ({later}); choose a later --as-of, or `portrait snapshot --as-of {as_of} "
            "--out DIR` trains one"
        )
    stage_withheld(session, home.recommending)
    withheld = {item for (item,) in session.rows("select item_id from withheld")}
    lines, items = lines_from(lines_at(session, as_of), session.frame(ITEMS)), session.frame(ITEMS)
    allowed = [item for item in asked if item not in withheld]
    in_set = lines.marked(allowed)
    if not in_set.any():
        why = "the rules of recommending keep all of it back" if not allowed else f"nothing of it was sold before {as_of}"
        raise PortraitError(f"campaign of {len(asked):,} items: {why}; name other items")
    frame = target(ranker, lines, items, as_of, in_set, count)
    told = frame.with_columns(pl.lit(as_of).alias("as_of"), pl.lit(version).alias("model_version"))
    return Targets(told, as_of, version, int(in_set.sum()), len(asked) - len(allowed))


def refuse_suffix(out: Path) -> None:
    """PortraitError where `write` knows no such file."""
    if out.suffix not in (".parquet", ".csv"):
        raise PortraitError(f"--out {out}: the name has to end in .parquet or .csv")


def write(found: Targets, out: Path) -> None:
    """All columns to a .parquet or .csv file, replaced if it exists."""
    refuse_suffix(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    found.frame.write_parquet(out) if out.suffix == ".parquet" else write_csv(found.frame, out)


def tested(home: Home, first: date, last: date) -> dict[str, pl.DataFrame]:
    """SECTIONS's tables of the campaigns that start from `first` through `last` and whose coupons are known.

    Each is judged by a model that learnt from what was before its start. PortraitError where there is none with a whole horizon of data.
    """
    from portrait_assets.kernels.ranking.campaigns import judge_campaign
    from portrait_assets.kernels.ranking.lines import lines_from
    from portrait_assets.kernels.ranking.propensity import fit_propensity
    from portrait_assets.kernels.ranking.sets import stand_at

    coupons = sources.coupons_of(home.source)
    with home.warehouse.open("read for the evaluation of campaigns") as session:
        exposures, redemptions = session.frame(EXPOSURES), session.frame(REDEMPTIONS)
        lines = lines_from(lines_at(session, as_of_of(home.days.end)), session.frame(ITEMS))
    starts = exposures.group_by("campaign_id").agg(pl.col("starts").min())
    ends = as_of_of(home.days.end) - HORIZON
    chosen = starts.filter(pl.col("starts").is_between(first, min(last, ends))).join(coupons, on="campaign_id", how="semi")
    if chosen.is_empty():
        raise PortraitError(
            f"no campaign with coupons starts from {first} through {min(last, ends)}, {HORIZON.days} days before the data end"
        )
    found: list[Any] = []
    for (day,), of_day in chosen.sort("starts", "campaign_id").group_by("starts", maintain_order=True):
        stand, model = stand_at(lines, day, HORIZON.days), fit_propensity(lines, day, HORIZON.days)
        for campaign_id in of_day["campaign_id"]:
            one = campaign(lines, campaign_id, day, coupons, exposures, redemptions)
            found.append(judge_campaign(lines, stand, model, one, HORIZON.days))
    tables = {name: pl.concat([getattr(one, name) for one in found]) for name in ("rivals", "calibration", "uplift")}
    return {"overall": overall(tables["rivals"])} | tables


def campaign(
    lines: "Lines", campaign_id: str, starts: date, coupons: pl.DataFrame, exposures: pl.DataFrame, redemptions: pl.DataFrame
) -> "Campaign":
    """One campaign in the codes of `lines`."""
    from portrait_assets.kernels.ranking.campaigns import Campaign

    is_it = pl.col("campaign_id") == campaign_id
    sets = [
        lines.marked(items.to_list())
        for items in coupons.filter(is_it).group_by("coupon_id", maintain_order=True).agg("item_id")["item_id"]
    ]
    received, redeemed = (
        pl.Series(lines.users).is_in(frame.filter(is_it)["user_id"].to_list()).to_numpy() for frame in (exposures, redemptions)
    )
    return Campaign(campaign_id, starts, sets, received, redeemed)


def overall(rivals: pl.DataFrame) -> pl.DataFrame:
    """Means over all sets that were judged, by truth and score."""
    weight = pl.col("sets")
    means = [((pl.col(name) * weight).sum() / weight.sum()).alias(name) for name in ("share", "auc", "lift")]
    judged = rivals.filter(pl.col("sets") > 0)
    return judged.group_by("truth", "score", maintain_order=True).agg(weight.sum(), *means).sort("truth", maintain_order=True)


def page(tables: dict[str, pl.DataFrame], command: str) -> str:
    """The tables as Markdown."""
    parts = [f"# Campaigns\n\nMade by `{command}`.\n", PROPENSITY + "\n"]
    parts += [f"## {title}\n\n{text}\n\n{table(tables[name])}\n" for name, (title, text) in SECTIONS.items()]
    return "\n".join(parts)
