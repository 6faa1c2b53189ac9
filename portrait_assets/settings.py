"""Where things live and how much of the machine they may use, from environment variables named PORTRAIT_*."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_DIR = Path(__file__).resolve().parent.parent
SQL_DIR = PROJECT_DIR / "sql"


class Settings(BaseSettings):
    """Typed settings. Each field is read from the environment as PORTRAIT_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="PORTRAIT_", extra="ignore")

    home: Path = PROJECT_DIR / "var"
    source: str | None = None
    threads: int = 2
    memory_limit: str = "8GB"
    model_size: str = "cpu"
    narrator: Literal["template", "endpoint", "local"] = "template"
    narrator_url: str | None = None
    """Base address of an OpenAI-compatible endpoint, up to `/v1`."""
    narrator_key: SecretStr | None = None
    narrator_model: str | None = None
    narrator_seconds: float = 20.0

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
    def published_dir(self) -> Path:
        return self.home_dir / "published"

    @property
    def dagster_dir(self) -> Path:
        return self.home_dir / "dagster"

    @property
    def mlflow_dir(self) -> Path:
        return self.home_dir / "mlflow"
