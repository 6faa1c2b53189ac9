"""`portrait models drivers`: what drives each head: how far its word moves, over users, without each group of what they did."""

import hashlib
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.explaining.claims import CHANCES, Claim, units_of
from portrait_assets.explaining.explanation import MOST_UNITS
from portrait_assets.explaining.rescorer import Rescorer
from portrait_assets.home import Home
from portrait_assets.kernels.faithfulness import Without
from portrait_assets.partitions import as_of_of
from portrait_assets.resources.session import Session

SEED = 21
SHOWN = 6  # groups of a head
# What is said of each user: the chances, and of categories and attributes what is most likely.
SAID = """
select target, user_id, class, probability from scores.predictions
where event_date = $day and probability is not null
union all
select target, user_id, class, probability from scores.next_purchases where event_date = $day and target = 'category_14d'
"""


@dataclass(frozen=True)
class Drivers:
    """head, group, users, moved (mean absolute change of probability), lost (mean of what the claim loses): the largest first."""

    as_of: date
    version: str
    users: int
    frame: pl.DataFrame


def drivers(session: Session, home: Home, last_day: date, count: int) -> Drivers:
    """Of `count` users, chosen by a hash of their id, and every head with something said of them; PortraitError where there is none."""
    said = session.frame(
        f"select * from ({SAID}) qualify row_number() over (partition by target, user_id order by probability desc, class) = 1",
        day=last_day,
    )
    ids = sorted(said["user_id"].unique(), key=lambda user: hashlib.md5(f"{SEED} {user}".encode()).hexdigest())[:count]
    if not ids:
        raise PortraitError(
            f"nothing is predicted of anybody as of {as_of_of(last_day)}; choose a published day with a model in force"
        )
    rescorer = Rescorer.of(session, home, last_day, ids)
    events = rescorer.events.partition_by("user_id", as_dict=True)
    rows: list[dict] = []
    for head in [name for name in (*CHANCES, "category_14d", *home.pack.schema.attribute_names) if name in set(said["target"])]:
        told = said.filter(pl.col("target") == head, pl.col("user_id").is_in(list({user for (user,) in events})))
        claims = [
            Claim(row["user_id"], head if row["class"] is None else f"{head}={row['class']}", _sign(head, row["probability"]))
            for row in told.filter(pl.col("user_id").is_in(ids)).sort("user_id").iter_rows(named=True)
        ]
        rows += _moves(rescorer, head, claims, events)
    return Drivers(as_of_of(last_day), rescorer.version or "", len(ids), _means(rows))


def _means(rows: list[dict]) -> pl.DataFrame:
    """Of head, group, user_id, lost: means over the users of each head, the SHOWN groups that move it most."""
    frame = (
        pl.DataFrame(rows)
        .group_by("head", "group", maintain_order=True)
        .agg(pl.len().alias("users"), pl.col("lost").abs().sum().alias("moved"), pl.col("lost").sum())
        .with_columns((pl.col("moved", "lost") / pl.col("head").replace_strict(_counts(rows), return_dtype=pl.Int64)).round(4))
        .sort("moved", descending=True, maintain_order=True)
        .filter(pl.int_range(pl.len()).over("head") < SHOWN)
    )
    order = pl.col("head").replace_strict({head: k for k, head in enumerate(dict.fromkeys(r["head"] for r in rows))})
    return frame.sort(order, maintain_order=True)


def _sign(head: str, probability: float) -> int:
    return 1 if probability >= 0.5 or head not in CHANCES else -1


def _counts(rows: list[dict]) -> dict[str, int]:
    users: dict[str, set[str]] = {}
    for row in rows:
        users.setdefault(row["head"], set()).add(row["user_id"])
    return {head: len(of) for head, of in users.items()}


def _moves(rescorer: Rescorer, head: str, claims: list[Claim], events: dict) -> list[dict]:
    """Of each claim and group of its units: what the probability of the claim loses without the group."""
    as_of = as_of_of(rescorer.day)
    attributes = rescorer.home.pack.schema.attribute_names
    units = [units_of(events[(claim.user_id,)], claim.target, as_of, attributes)[:MOST_UNITS] for claim in claims]
    tries: list[Without] = [(n, ()) for n in range(len(claims))]
    names: list[str] = []
    for n, of in enumerate(units):
        about = claims[n].target.partition("=")[2]
        for group in dict.fromkeys(unit.group for unit in of):
            tries.append((n, tuple(place for place, unit in enumerate(of) if unit.group == group)))
            names.append(group.replace(f"purchases of {about}", "purchases of it") if head == "category_14d" else group)
    chance = 1 / (1 + np.exp(-rescorer.support(claims, units, tries)))
    return [
        {"head": head, "group": group, "user_id": claims[n].user_id, "lost": float(chance[n] - without)}
        for group, (n, _), without in zip(names, tries[len(claims) :], chance[len(claims) :], strict=True)
        if np.isfinite(without)
    ]


def page(found: Drivers, command: str) -> str:
    """The drivers as a page for people, beside its picture."""
    parts = []
    for (head,), rows in found.frame.group_by("head", maintain_order=True):
        lines = "\n".join(
            f"| {r['group']} | {r['users']:,} | {r['moved']:.3f} | {r['lost']:+.3f} |" for r in rows.iter_rows(named=True)
        )
        parts.append(f"## {head}\n\n| without | users | moves the probability by | of it, lost |\n|---|---|---|---|\n{lines}\n")
    return f"""# What drives each head

Made by `{command}`: {found.users:,} users as of {found.as_of}, model {found.version}.

For each user the head's claim is what it holds most likely: that they come back or stay away, their likeliest category, their likeliest class of an
attribute. Each group of what they did is taken out of their history, the features are made anew by the same SQL, and the same model is
asked again. A row is the mean over all users of the head; who has nothing of a group counts as unmoved. "Lost" is signed: what speaks for the claim is
lost without it, what speaks against it is won.

![drivers](drivers.png)

{chr(10).join(parts)}"""
