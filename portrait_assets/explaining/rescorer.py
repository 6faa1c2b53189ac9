"""Scores of changed histories, many at once: the same SQL makes the features, the same model scores them."""

import logging
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from portrait_assets.assets.changed import Variant, changed_frames, changed_tags, name_of, number_events
from portrait_assets.assets.scoring import model_in
from portrait_assets.assets.training import ITEMS, history_at
from portrait_assets.errors import PortraitError
from portrait_assets.explaining.claims import CHANCES, Claim, Unit
from portrait_assets.home import Home
from portrait_assets.kernels.faithfulness import Without
from portrait_assets.kernels.rescoring import rescored
from portrait_assets.kernels.sequences import History
from portrait_assets.kernels.trained import TrainedModel
from portrait_assets.lineage import models_in_force
from portrait_assets.partitions import Window, as_of_of
from portrait_assets.resources.session import Session

logger = logging.getLogger("portrait")

VARIANTS_AT_ONCE = 3000


@dataclass
class Rescorer:
    """The model in force at the end of `day`, and the numbered events of the users that are asked about."""

    session: Session
    home: Home
    day: date
    events: pl.DataFrame
    version: str | None
    _model: TrainedModel | None = None
    _items: pl.DataFrame = field(default_factory=pl.DataFrame)
    _world: History | None = None

    @classmethod
    def of(cls, session: Session, home: Home, day: date, user_ids: list[str]) -> "Rescorer":
        """Ready to change the histories of `user_ids` up to the end of `day`."""
        version = models_in_force(session, Window(day, day))[day]
        return cls(session, home, day, number_events(session, day, user_ids), version)

    @property
    def model(self) -> TrainedModel:
        """PortraitError before the first model."""
        if self._model is None:
            if self.version is None:
                raise PortraitError(f"no model was in force on {self.day}; there is no prediction to explain")
            self._model = model_in(self.home, self.version)
            self._items = self.session.frame(ITEMS)
        return self._model

    def log_odds(self, variants: list[Variant], targets: list[str]) -> np.ndarray:
        """(N, len(targets)); NaN for a variant that has no visit left."""
        parts = [self._log_odds(part, targets) for part in _parts(variants)] if targets else []
        return np.concatenate(parts) if parts else np.zeros((len(variants), len(targets)))

    def support(self, claims: list[Claim], units: list[list[Unit]], tries: list[Without]) -> np.ndarray:
        """(len(tries),) log odds for each try's claim, of its user's history without the units it names."""
        variants = [
            Variant(claims[n].user_id, tuple(number for unit in gone for number in units[n][unit].numbers)) for n, gone in tries
        ]
        targets = list(dict.fromkeys(claim.target for claim in claims))
        told = self.log_odds(variants, targets)
        column = np.array([targets.index(claims[n].target) for n, _ in tries], np.int64)
        sign = np.array([claims[n].sign for n, _ in tries])
        return sign * told[np.arange(len(tries)), column]

    def tags(self, variants: list[Variant], targets: list[str]) -> pl.DataFrame:
        """The tags of each variant as tags.parquet has them, `targets` predicted anew; user_id is its place in `variants`."""
        chances = pl.DataFrame(schema={"variant": pl.String, "target": pl.String, "probability": pl.Float64})
        if targets:
            odds = self.log_odds(variants, targets)
            names = [name_of(place) for place in range(len(variants))]
            told = [
                pl.DataFrame({"variant": names, "target": t, "probability": _chance(odds[:, k])}) for k, t in enumerate(targets)
            ]
            chances = pl.concat(told).drop_nans()
        else:
            changed_frames(self.session, self.home, self.day, variants)
        found = changed_tags(self.session, self.home, self.day, chances)
        return found.with_columns(pl.col("user_id").cast(pl.Int64))

    def _log_odds(self, variants: list[Variant], targets: list[str]) -> np.ndarray:
        model, as_of = self.model, as_of_of(self.day)
        frames = changed_frames(self.session, self.home, self.day, variants)
        told = np.full((len(variants), len(targets)), np.nan)
        if len(frames.visits):
            world = self.world if any(not _is_own(target) for target in targets) else None
            users, odds = rescored(model, world, frames.visits, frames.features, self._items, as_of, targets)
            told[[int(user) for user in users]] = odds
        logger.debug("scored %d changed histories", len(variants))
        return told

    @property
    def world(self) -> History:
        """Everybody's real history."""
        if self._world is None:
            self._world = history_at(self.session, as_of_of(self.day))
        return self._world


def _is_own(target: str) -> bool:
    """Whether the target is predicted from the user's own history alone, whatever others do."""
    return target in (*CHANCES, "alive_probability")


def _chance(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def _parts(variants: list[Variant]) -> list[list[Variant]]:
    return [variants[i : i + VARIANTS_AT_ONCE] for i in range(0, len(variants), VARIANTS_AT_ONCE)]
