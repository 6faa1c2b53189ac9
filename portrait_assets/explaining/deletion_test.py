"""`portrait models faithfulness`: whether the events that explanations name are what the scores came from, on many users at once."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.explaining.claims import CHANCES, Claim, Unit, units_of
from portrait_assets.explaining.evidence import LATEST, NAMED, POOL, evidence_of, pool_of
from portrait_assets.explaining.explanation import MOST_UNITS
from portrait_assets.explaining.rescorer import Rescorer
from portrait_assets.home import Home
from portrait_assets.kernels.faithfulness import (
    Deletions,
    Faithfulness,
    Ratio,
    Without,
    faithfulness,
    matched_events,
    most_moving,
)
from portrait_assets.partitions import as_of_of
from portrait_assets.resources.session import Session

logger = logging.getLogger("portrait")

CASES_AT_ONCE = 50
WIDER_POOL = 15  # what the search for the best five may choose from, beside the latest
SEED = 12
SILENCE = """
That a user stays away ("held likely") rests on their silence, which is given as a reason of its own and is no event: there, taking events out moves little,
named or not.
"""


@dataclass(frozen=True)
class Tested:
    """The cases of one claim, and what the test found."""

    as_of: date
    version: str
    target: str
    asked: int
    cases: (
        pl.DataFrame
    )  # user_id, sign, units, named, full, without_named, without_matched, without_best: log odds of the claim
    found: dict[str, Faithfulness]  # what a row of the page is about -> the test: in probabilities but where it says log odds


def deletion_test(session: Session, home: Home, last_day: date, target: str, count: int) -> Tested:
    """The test on `count` cases, of users in the order of a hash of their id; PortraitError without a model or a case.

    A user of whom no piece of history speaks for the claim has no events to name, and is no case; nor is one with too few others to match.
    """
    users = _users(session, last_day, target)
    rows: list[dict] = []
    version, asked = "", 0
    while len(rows) < count and asked < len(users):
        some = users[asked : asked + min(CASES_AT_ONCE, count - len(rows))]
        rescorer = Rescorer.of(session, home, last_day, [user for user, _ in some])
        rows += _cases(rescorer, target, some)
        version, asked = rescorer.version or "", asked + len(some)
        logger.info("faithfulness: %d of %d cases, of %d users", len(rows), count, asked)
    if not rows:
        raise PortraitError(
            f"no user has a {target} as of {as_of_of(last_day)} with events behind it; choose a day with a model in force"
        )
    cases = pl.DataFrame(rows)
    found = {"all": _test(cases, _chance)}
    for name, sign in {"held likely": 1, "held unlikely": -1}.items():
        if len(part := cases.filter(pl.col("sign") == sign)):
            found[name] = _test(part, _chance)
    found["all, in log odds"] = _test(cases, np.asarray)
    return Tested(as_of_of(last_day), version, target, asked, cases, found)


def _users(session: Session, last_day: date, target: str) -> list[tuple[str, float]]:
    """User and probability, in the order of a hash of the id."""
    head, _, about = target.partition("=")
    found = session.rows(
        "select user_id, probability from scores.predictions where event_date = $day and target = $head "
        "and coalesce(class, '') = $about and probability is not null",
        day=last_day, head=head, about=about,
    )  # fmt: skip
    return sorted(found, key=lambda row: hashlib.md5(f"{SEED} {row[0]}".encode()).hexdigest())


def _cases(rescorer: Rescorer, target: str, users: list[tuple[str, float]]) -> list[dict]:
    by_user = rescorer.events.partition_by("user_id", as_dict=True)
    claims = [Claim(user, target, 1 if p >= 0.5 or target not in CHANCES else -1) for user, p in users]
    attributes = rescorer.home.pack.schema.attribute_names
    units = [units_of(by_user[(user,)], target, as_of_of(rescorer.day), attributes)[:MOST_UNITS] for user, _ in users]

    def score(tries: list[Without]) -> np.ndarray:
        return rescorer.support(claims, units, tries)

    found = evidence_of(rescorer, claims, units)
    matched = [_matched(of, evidence.named, rescorer.day, n) for n, (of, evidence) in enumerate(zip(units, found, strict=True))]
    full = np.array([evidence.full for evidence in found])
    wider = [pool_of(evidence.alone, WIDER_POOL) for evidence in found]
    searched = most_moving(score, full, wider, NAMED)
    alone = [np.argsort(evidence.alone, kind="stable")[: len(evidence.named)].tolist() for evidence in found]
    tries = [[(n, tuple(sets[n])) for n in range(len(claims))] for sets in (matched, searched, alone)]
    without_matched, *rivals = (score(of) for of in tries)
    best = np.nanmin(np.stack([*rivals, np.array([evidence.without_named for evidence in found])]), axis=0)
    return [
        {
            "user_id": claims[n].user_id,
            "sign": claims[n].sign,
            "units": len(units[n]),
            "named": len(found[n].named),
            "full": full[n],
            "without_named": found[n].without_named,
            "without_matched": float(without_matched[n]),
            "without_best": float(best[n]),
        }
        for n in range(len(claims))
        if found[n].named and len(matched[n]) == len(found[n].named) and np.isfinite([without_matched[n], best[n]]).all()
    ]


def _matched(units: list[Unit], named: list[int], last_day: date, case: int) -> list[int]:
    types = np.array([unit.event_type for unit in units])
    ages = np.array([(last_day - unit.day).days for unit in units], float)
    return matched_events(types, ages, named, [SEED, case])


def _test(cases: pl.DataFrame, scale: Callable[[np.ndarray], np.ndarray]) -> Faithfulness:
    columns = ("full", "without_named", "without_matched", "without_best")
    return faithfulness(Deletions(*(scale(cases[name].to_numpy()) for name in columns)))


def _chance(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def page(tested: Tested, command: str) -> str:
    """The test as a page for people."""
    table = "\n".join(
        f"| {name} | {f.cases:,} | {f.falls_share:.1%} | {f.named_change:.3f} | {f.matched_change:.3f} | {f.best_change:.3f} "
        f"| {_ratio(f.over_matched)} | {_ratio(f.of_best)} |"
        for name, f in tested.found.items()
    )
    return f"""# Are explanations faithful?

Made by `{command}`.

An explanation of `{tested.target}` names at most {NAMED} visits: those without which the model, run again by the same SQL on the history
that is left, holds its claim least. Of {tested.asked:,} users as of {tested.as_of} (model {tested.version}), {len(tested.cases):,} are cases; of the others no
visit speaks for the claim, or there are too few others to compare with. Each case is scored without the named visits, without as many
others of the same user matched on type and age (within 3 days, or a quarter of the age; drawn with a fixed seed), and without the best
as many: the better of the {NAMED} that move most alone, a greedy search over {WIDER_POOL} and the latest {LATEST}, and the named ones (themselves a greedy
search over {POOL} and the latest {LATEST}). A change is of the probability that the portrait gives the claim, whatever its direction; the last row has it in log odds, on which
small probabilities count as much as large ones. In brackets: 95 % of resamples of the cases.

| claim | cases | falls without the named | change: named | matched | best | named / matched | named / best |
|---|---|---|---|---|---|---|---|
{table}
{SILENCE if tested.target in CHANCES else ""}"""


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
