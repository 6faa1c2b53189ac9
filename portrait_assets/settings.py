"""Where things live and how much of the machine they may use, from environment variables named PORTRAIT_*."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from portrait_assets.errors import PortraitError

PROJECT_DIR = Path(__file__).resolve().parent.parent
SQL_DIR = PROJECT_DIR / "sql"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""That this process may use."""


class Settings(BaseSettings):
    """Typed settings. Each field is read from the environment as PORTRAIT_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="PORTRAIT_", extra="ignore")

    home: Path = PROJECT_DIR / "var"
    source: str | None = None
    threads: int = 2
    memory_limit: str = "8GB"
    snapshots_kept: int = Field(400, ge=1)
    """Daily snapshots and predictions that stay stored, the newest so many days; a portrait of an earlier day is made again when it is
    asked for. Tags, their changes and audiences are daily over the whole history whatever is kept. A kept day of 1,000 users takes 0.23
    MB on disk, with a model in force 0.8 MB. Below 91 days each publication makes up to four days again, to judge tags and drift by."""
    model_size: Literal["tiny", "cpu", "gpu", "gpu-large"] = "cpu"
    """Sizes of the behaviour model (kernels/config.py); gpu… are trained on a GPU where there is one."""
    training_processes: int = Field(1, ge=1)
    """That share each batch of the network's training: as many as there are GPUs."""
    training_pieces: int = Field(1, ge=1)
    """Parts that a process computes a batch in, one after another, where memory is short."""
    item_text: Literal["words", "sentences"] = "words"
    """What places an item by its texts: words that are counted, or the sentence model of the extra `text`."""
    narrator: Literal["template", "endpoint", "local"] = "template"
    narrator_url: str | None = None
    """Base address of an OpenAI-compatible endpoint, up to `/v1`."""
    narrator_key: SecretStr | None = None
    narrator_model: str | None = None
    narrator_seconds: float = 20.0

    def __init__(self, **values: Any) -> None:
        """PortraitError where a variable says what cannot be."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(map(str, first["loc"])).upper()
            raise PortraitError(f"PORTRAIT_{name} is '{first['input']}': {first['msg']}; change it or leave it unset") from None

    @property
    def home_dir(self) -> Path:
        """Everything made at run time, as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def warehouse_file(self) -> Path:
        return self.home_dir / "warehouse.duckdb"

    @property
    def landing_dir(self) -> Path:
        return self.home_dir / "landing"

    @property
    def models_dir(self) -> Path:
        return self.home_dir / "models"

    @property
    def checkpoints_dir(self) -> Path:
        return self.home_dir / "checkpoints"

    @property
    def published_dir(self) -> Path:
        return self.home_dir / "published"

    @property
    def dagster_dir(self) -> Path:
        return self.home_dir / "dagster"

    @property
    def mlflow_dir(self) -> Path:
        return self.home_dir / "mlflow"
