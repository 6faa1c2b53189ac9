"""What an audience builder offers beside the expression: audiences to begin with, files of members, users alike."""

from pathlib import Path
from tempfile import TemporaryDirectory

from portrait_assets.audiences.members import Audience, write
from portrait_assets.audiences.saved import load
from portrait_assets.settings import Settings

EXAMPLES = {
    "lapsing, of high value": "lifecycle = lapsing and value_tier = high",
    "promotion-sensitive": "promotion_sensitivity = high",
    "new customers": "lifecycle = new",
    "likely to stop": "churn_risk = high",
}


def named(settings: Settings) -> dict[str, str]:
    """Expressions by name: the home's saved ones first, then examples."""
    return {**load(settings.home_dir / "audiences.toml"), **EXAMPLES}


def file_of(group: Audience, ending: str) -> bytes:
    """The members as a file of this ending, as `portrait audience export` writes it."""
    with TemporaryDirectory(prefix="portrait-audience-") as folder:
        file = Path(folder) / f"audience{ending}"
        write(group, file)
        return file.read_bytes()
