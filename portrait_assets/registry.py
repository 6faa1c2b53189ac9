"""The registry of models: what was trained, what is in force, and taking a champion back."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from portrait_assets.errors import PortraitError
from portrait_assets.history import history_start
from portrait_assets.home import Home
from portrait_assets.lineage import PORTRAIT_TABLES, ROLLED_BACK, models_in_force, stale_days
from portrait_assets.model_card import FILE
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session
from portrait_assets.resources.tracking import REGISTERED_NAME, Tracking


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did: the model taken back, the one in force on the last day now, and the days to score again."""

    version: str
    in_force: str | None
    stale: int


def models(session: Session, home: Home) -> list[dict[str, Any]]:
    """Every trained model, oldest first, with the days it is in force on (`first_day`, `last_day`; none for most)."""
    days: dict[str, list[date]] = {}
    for day, version in models_in_force(session, home.days).items():
        if version is not None:
            days.setdefault(version, []).append(day)
    found = session.frame("select * from models.registry order by trained_through, recorded_at, version").to_dicts()
    for model in found:
        in_force = days.get(model["version"], [])
        model |= {"first_day": in_force[0] if in_force else None, "last_day": in_force[-1] if in_force else None}
        model |= {name: json.loads(model[name]) for name in ("metrics", "config")}
    return found


def model(session: Session, home: Home, version: str | None) -> dict[str, Any]:
    """The model whose version begins with `version`; without one, the model in force on the last day. PortraitError without such."""
    known = models(session, home)
    if version is None:
        chosen = [m for m in known if m["last_day"] == home.days.end]
    else:
        chosen = [m for m in known if m["version"].startswith(version)]
    if len(chosen) == 1:
        return chosen[0]
    wanted = f"{len(chosen)} models are called {version}…" if version else f"no model is in force on {home.days.end}"
    there = ", ".join(m["version"] for m in known) or "none: `portrait run` trains one"
    raise PortraitError(f"{wanted}; models in {home.settings.home_dir}: {there}")


def roll_back(home: Home, version: str | None = None) -> RolledBack:
    """Take a champion out of force; the days it scored become stale, and the champion before it has them from now on.

    Without a version, the champion in force on the last day. PortraitError where it is not a champion.
    """
    with home.warehouse.open("roll back") as session:
        chosen = model(session, home, version)
        if chosen["status"] != "champion":
            raise PortraitError(f"model {chosen['version']} is {chosen['status']}, not champion: there is nothing to roll back")
        session.execute(
            "update models.registry set status = $status, reason = $reason || reason where version = $version",
            status=ROLLED_BACK,
            reason="rolled back by hand; at its training: ",
            version=chosen["version"],
        )
        champions = session.rows(
            "select mlflow_version from models.registry where status = 'champion' order by trained_through, recorded_at, version"
        )
        kept = Window(history_start(session, home), home.days.end)
        stale = {day for table, days in stale_days(session, home, kept).items() if table in PORTRAIT_TABLES for day in days}
        now = models_in_force(session, home.days)[home.days.end]
    _move_alias(home, chosen["mlflow_version"], champions[-1][0] if champions else None)
    return RolledBack(chosen["version"], now, len(stale))


def _move_alias(home: Home, taken_back: str | None, champion: str | None) -> None:
    """MLflow's alias `champion` to the model now in force, and the word on the one taken back."""
    if taken_back is None:
        return
    client = Tracking(folder=str(home.settings.mlflow_dir)).connect().MlflowClient()
    client.set_model_version_tag(REGISTERED_NAME, taken_back, "status", ROLLED_BACK)
    if champion:
        client.set_registered_model_alias(REGISTERED_NAME, "champion", champion)
    else:
        client.delete_registered_model_alias(REGISTERED_NAME, "champion")


def card_of(home: Home, version: str) -> str:
    """The card that was written when the model was trained. PortraitError without one."""
    file = home.settings.models_dir / version / FILE
    if not file.exists():
        raise PortraitError(f"{file}: no card; the model was trained by an older version of Portrait, train again")
    return file.read_text(encoding="utf-8")
