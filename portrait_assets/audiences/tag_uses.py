"""The tag quality of an export, with the saved audiences that use each tag: a home's own, so not in the export."""

from pathlib import Path

import polars as pl

from portrait_assets.audiences.language import conditions, parse
from portrait_assets.audiences.saved import load
from portrait_assets.errors import PortraitError
from portrait_assets.reading.export import Export

FILE = "tag_quality.parquet"


def tag_quality(export: Export) -> pl.DataFrame:
    """A row a tag, by id; PortraitError where the export is of a version that measured none."""
    if not (export.folder / FILE).exists():
        raise PortraitError(
            f"{export.folder} has no {FILE}; an earlier version wrote it: `portrait refresh` publishes it again"
        )
    return pl.read_parquet(export.folder / FILE)


def with_audiences(quality: pl.DataFrame, file: Path) -> pl.DataFrame:
    """`used_by` with `audience.<name>` added, of the audiences saved in `file`."""
    names = {name: {one.subject for one in conditions(parse(text))} for name, text in load(file).items()}
    used = [
        [*row["used_by"], *(f"audience.{name}" for name, held in sorted(names.items()) if row["tag_id"] in held)]
        for row in quality.iter_rows(named=True)
    ]
    return quality.with_columns(pl.Series("used_by", used, dtype=pl.List(pl.String)))
