"""A model's card: what it learnt from, how good it is, how far its chances can be trusted, and what it can not do."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from portrait_assets.kernels.behaviour import Report

FILE = "card.md"
LEAST_CHURN_ERROR, LEAST_ATTRIBUTE_ERROR = 0.02, 0.05  # calibration errors above these are listed among the limits

LIMITS = (
    "The figures are of one window of one source: they compare methods, and another season may be easier or harder.",
    "Users of few visits are predicted mostly by what all users do; users of whom only campaigns are known, not at all.",
    "An inferred attribute is a guess from behaviour. It must not decide about a person; a declared value always stands before it.",
    "The level of each chance is that of the training windows: it does not foresee a holiday, a price war or a closed shop.",
)


@dataclass(frozen=True)
class DataRange:
    """What a training read."""

    source: str
    first_day: date
    last_day: date
    users: int
    visits: int
    events: int

    @classmethod
    def of(cls, source: str, visits: pl.DataFrame) -> "DataRange":
        """From `features.visit` rows; at least one."""
        first, last, users, events = visits.select(
            pl.col("event_date").min().alias("first"), pl.col("event_date").max().alias("last"),
            pl.col("user_id").n_unique(), pl.col("line_count").sum(),
        ).row(0)  # fmt: skip
        return cls(source, first, last, users, visits.height, int(events or 0))


def card(version: str, data: DataRange, report: "Report", status: str, reason: str, config: dict[str, Any]) -> str:
    """The card as Markdown."""
    sections = [
        f"# Behaviour model {version}",
        f"{status.capitalize()}: {reason}.",
        "## Data",
        f"{data.source}, {data.first_day} to {data.last_day}: {data.events:,} events in {data.visits:,} visits of {data.users:,} users. "
        f"Trained through {report.trained_through} (events before that instant only); held out: the {config['horizon_days']} days from "
        f"{report.validation_as_of}.",
        "## Heads on the held-out window",
        "Mean AUC of a head's targets over users active in the 90 days before; log loss; expected calibration error (ten equal bins).",
        table(report.metrics),
        "## Further ahead",
        "Each on its own held-out window, by everything known before it; the rival of least squared error serves. `come_by_then` is the "
        "share that came by the predicted median: a half is right.",
        table(report.outlook),
        "## Declared attributes, inferred",
        "Cross-validated over users who declared them; `counts_auc` is the same regression on windowed counts.",
        table(report.attributes),
        "## Calibration",
        "Mean predicted chance and share that came true, in ten equally filled bins of held-out users and targets.",
        table(report.reliability),
        "## Limits",
        "\n".join(f"- {limit}" for limit in (*LIMITS, *found_limits(report))),
        "## Configuration",
        ", ".join(f"{name} {value}" for name, value in config.items()),
    ]
    return "\n\n".join(sections) + "\n"


def found_limits(report: "Report") -> list[str]:
    """What this training found wanting."""
    limits = [
        f"{head}: {outcome}." for head, outcome in report.outlook.select("head", "outcome").iter_rows() if "abstains" in outcome
    ]
    for name, outcome, ece, auc, counts in report.attributes.select(
        "attribute", "outcome", "ece", "auc", "counts_auc"
    ).iter_rows():
        if outcome != "served":
            limits.append(f"{name}: {outcome}.")
        elif ece > LEAST_ATTRIBUTE_ERROR:
            limits.append(f"{name}: calibration error {ece:.3f}, above {LEAST_ATTRIBUTE_ERROR}.")
        elif auc < counts:
            limits.append(f"{name}: AUC {auc:.3f}, below {counts:.3f} of windowed counts alone.")
    churn = report.metrics.filter((pl.col("head") == "churn") & (pl.col("model") == "served"))["ece"]
    limits += [
        f"churn: calibration error {error:.3f}, above {LEAST_CHURN_ERROR}."
        for error in churn.drop_nulls()
        if error > LEAST_CHURN_ERROR
    ]
    return limits


def table(frame: pl.DataFrame) -> str:
    """A Markdown table, floats to four digits, nothing for null."""

    def text(value: Any) -> str:
        return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(text, row)) + " |" for row in frame.iter_rows())])
