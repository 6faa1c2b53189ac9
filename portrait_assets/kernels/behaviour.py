"""The behaviour model as the project uses it: train, score, and the vector before there is a model. See README.md."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.attributes import fit_attribute_heads
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.evaluation import Calibration
from portrait_assets.kernels.fusion import fit_fusion
from portrait_assets.kernels.machine import ALONE, Machine
from portrait_assets.kernels.metrics import reliability
from portrait_assets.kernels.outlook import fit_outlook
from portrait_assets.kernels.pairs import examples
from portrait_assets.kernels.parts import Parts, fit_parts, purchase_summary, read_parts
from portrait_assets.kernels.predictable import not_predicted, without_example
from portrait_assets.kernels.rehearsal import Log, Watch, validate, validation_losses
from portrait_assets.kernels.rhythm import fit_rhythm
from portrait_assets.kernels.scoring import Scores, blocks_only, cluster_frame, score, score_history
from portrait_assets.kernels.segments import fit_centres, nearest
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import Source, TrainedModel, attribute_inputs, block_inputs, popular_targets

__all__ = ["Log", "Report", "Scores", "TrainedModel", "blocks_only", "score", "score_history", "train", "validation_losses"]

VECTOR_TARGETS = 100  # of each level, whose scores the vector condenses


@dataclass(frozen=True)
class Report:
    """What training found, as frames to show and log."""

    trained_through: date
    validation_as_of: date
    metrics: pl.DataFrame  # head, model, auc, log_loss, ece on the validation window
    curves: pl.DataFrame  # stage, epoch, loss, churn_auc, category_auc, item_auc
    attributes: pl.DataFrame  # attribute, users, classes, outcome, auc, counts_auc (of the counts alone), ece
    selection: pl.DataFrame  # column, outcome, duplicate_of, correlation
    fusion: pl.DataFrame  # block, columns, slots, used_slots, variance_share
    outlook: pl.DataFrame  # head, model, outcome and figures of what is predicted further ahead
    reliability: pl.DataFrame  # head, told, seen, count: ten bins of each head's held-out chances
    losses: pl.DataFrame  # user_id, head, loss on the validation window, for the gate
    clusters: pl.DataFrame  # user_id, cluster at the latest as-of


def train(
    visits: pl.DataFrame,
    features: pl.DataFrame,
    items: pl.DataFrame,
    attributes: pl.DataFrame,
    trained_through: date,
    config: BehaviourConfig,
    log: Log | None = None,
    machine: Machine = ALONE,
) -> tuple[TrainedModel, Report]:
    """Learn from events before `trained_through` only; the last horizon before it validates and calibrates, then is learnt too.

    `features` holds as-ofs a horizon apart, and `trained_through` itself if it can: the vector is scaled there.
    Raises PortraitError where fewer than three as-ofs have both a past and a whole window of future.
    """
    source = Source(visits, features, items, config)
    history = source.before(trained_through)
    as_ofs = training_as_ofs(history, features, trained_through, config)
    watch = Watch(source, history, as_ofs[-1], log)
    rehearsal = fit_parts(history, features, as_ofs[:-1], config, watch.rehearsal, machine)
    verdict = validate(source, history, rehearsal, as_ofs)
    served = fit_parts(history, features, as_ofs, config, watch.served, machine)
    calibration = learnt_only(verdict.calibration, served)
    now = max(a for a in features["as_of"].unique() if a <= trained_through)
    past = source.before(now)
    raw = read_parts(served, past, features, now, popular_targets(past, now, VECTOR_TARGETS, config), config)
    inputs = block_inputs(raw, calibration)
    fusion = fit_fusion(inputs)
    vectors = fusion.vectors(inputs)
    centres = fit_centres(vectors, config.segments, config.seed)
    told_by = attribute_inputs(vectors, raw.features)
    ahead, outlook, chances = fit_outlook(history, features, trained_through, served.selection, served.lifetime, config)
    reliable = reliability(
        {f"churn_{config.horizon_days}d" if k == "churn" else k: v for k, v in verdict.chances.items()} | chances
    )
    ids = [past.users[i] for i in raw.users]
    heads, found = fit_attribute_heads(attributes, ids, told_by, raw.features, config)
    rhythm = fit_rhythm(purchase_summary(history, trained_through), config.horizon_days, ahead.curve.days[-1])
    shown, always = examples(history, as_ofs, config)
    silent = not_predicted(calibration, served.lifetime, rhythm, outlook, found, config)
    silent |= without_example(popular_targets(history, trained_through, config.targets, config), shown, always, config)
    model = TrainedModel(
        config,
        trained_through,
        served,
        rehearsal,
        calibration,
        shown,
        raw.targets,
        fusion,
        heads,
        ahead,
        rhythm,
        silent,
        centres,
    )
    curves, selected = pl.DataFrame(watch.curves), served.selection.outcome
    return model, Report(
        trained_through,
        as_ofs[-1],
        verdict.metrics,
        curves,
        found,
        selected,
        fusion.outcome(),
        outlook,
        reliable,
        verdict.losses,
        cluster_frame(ids, nearest(centres, vectors)),
    )


def learnt_only(calibration: Calibration, served: Parts) -> Calibration:
    """Without what nobody differed in while training: what a source has never shown is not predicted."""
    has_churn = calibration.has_churn and served.user_boosters["churn"] is not None
    links = {level: link for level, link in calibration.links.items() if has_churn and served.pair_boosters[level] is not None}
    return replace(calibration, links=links, has_churn=has_churn)


def training_as_ofs(history: History, features: pl.DataFrame, trained_through: date, config: BehaviourConfig) -> list[date]:
    """As-ofs of `features`, ascending and a horizon apart at least, with someone seen before and a whole window after."""
    limit = trained_through - timedelta(days=config.horizon_days)
    chosen: list[date] = []
    for as_of in features["as_of"].unique().sort(descending=True).to_list():
        if as_of <= limit and len(history.seen_before(as_of)) and len(chosen) <= config.windows:
            chosen.append(as_of)
            limit = as_of - timedelta(days=config.horizon_days)
    if len(chosen) < 3:
        raise PortraitError(
            f"behaviour model, trained through {trained_through}: {len(chosen)} as-of points have events before them and "
            f"{config.horizon_days} days after them; 3 are needed: choose a later date or ingest earlier events"
        )
    return chosen[::-1]
