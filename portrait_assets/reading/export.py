"""An export folder as `portrait snapshot` writes it: verified against its manifest, read lazily."""

import difflib
import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from portrait_assets.errors import PortraitError
from portrait_assets.packs import Pack, load_pack
from portrait_assets.packs.pack import DEFAULT_PACK, PACK_FILE, pack_of
from portrait_assets.partitions import parse_date
from portrait_assets.reading.words import counted

FILES = ("portraits", "tags", "embeddings", "recommendations", "lists", "predictions", "changes")
CLOSE_ENOUGH_TO_COMPARE = 50_000  # above this many ids, near ones are looked for by length alone


@dataclass(frozen=True)
class Export:
    """One published generation: all its files agree, and it never changes."""

    folder: Path
    manifest: dict[str, Any]
    as_of: date

    @classmethod
    def open(cls, folder: Path | str, verify: bool = True) -> "Export":
        """The export in `folder`; PortraitError without a manifest or, with `verify`, where a file is not the one it names.

        A link such as `published/current` is followed once: what is read later is of the same generation.
        """
        folder = Path(folder).resolve()
        manifest = _manifest(folder)
        if verify:
            for name in (*(f"{name}.parquet" for name in FILES), *({PACK_FILE} & manifest["sha256"].keys())):
                _verify(folder, name, manifest)
        return cls(folder, manifest, parse_date(str(manifest["as_of"]), f"{folder / 'manifest.json'}: as_of"))

    @classmethod
    def current(cls, published: Path) -> "Export":
        """The newest generation in a home's folder of exports; PortraitError where nothing is published yet."""
        if not (published / "current").exists():
            raise PortraitError(f"nothing is published in {published.parent} yet; run `portrait run` first")
        return cls.open(published / "current")

    @property
    def generation(self) -> str:
        """Names this content: the manifest's own name for it, or a hash of all but its `run` part."""
        content = {key: value for key, value in self.manifest.items() if key != "run"}
        text = json.dumps(content, sort_keys=True, default=str)
        return str(self.manifest.get("generation") or hashlib.sha256(text.encode()).hexdigest()[:12])

    @property
    def pack(self) -> Pack:
        """The pack it was made by, of which it has a copy; those of before had one where the home had rules of its own."""
        if PACK_FILE not in self.manifest["sha256"]:
            return load_pack(str(self.manifest.get("pack", DEFAULT_PACK)))
        return _carried(self.folder / PACK_FILE)

    @property
    def model_versions(self) -> tuple[str, ...]:
        """The models behind the export; empty before the first."""
        said = self.manifest.get("model_versions") or {}
        named = said.values() if isinstance(said, dict) else said
        return tuple(sorted({str(version) for version in named if version}))

    def scan(self, name: str) -> pl.LazyFrame:
        """A lazy frame over one of the files, by its name without `.parquet`."""
        return pl.scan_parquet(self.folder / f"{name}.parquet")

    def of_user(self, name: str, user_id: str) -> list[dict[str, Any]]:
        """One user's rows of a file, as dictionaries."""
        return self.scan(name).filter(pl.col("user_id") == user_id).collect().to_dicts()

    def portrait(self, user_id: str) -> dict[str, Any]:
        """One user's portrait; PortraitError with ids like it if there is none."""
        rows = self.of_user("portraits", user_id)
        if not rows:
            raise PortraitError(self._unknown(user_id))
        return rows[0]

    def user_ids(self) -> list[str]:
        """All users, short ids first, so that whole numbers are in their order."""
        ids = self.scan("portraits").select("user_id").collect()["user_id"].to_list()
        return sorted(ids, key=lambda user_id: (len(user_id), user_id))

    def _unknown(self, user_id: str) -> str:
        ids = self.user_ids()
        candidates = (
            ids if len(ids) <= CLOSE_ENOUGH_TO_COMPARE else [other for other in ids if len(other) == len(user_id)][:5000]
        )
        near = difflib.get_close_matches(user_id, candidates, n=5, cutoff=0.6) or ids[:5]
        return (
            f"user '{user_id}' has no event before {self.as_of} (as-of); {counted(len(ids), 'user')} {'has' if len(ids) == 1 else 'have'}, for example "
            f"{', '.join(near) or 'none'}; "
            f"all ids: select user_id from '{self.folder.name}/portraits.parquet'"
        )


@cache  # an export never changes
def _carried(file: Path) -> Pack:
    return pack_of(json.loads(file.read_text(encoding="utf-8")), file)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not folder.is_dir():
        raise PortraitError(f"{folder} is not a folder; make an export with `portrait snapshot --as-of DATE --out {folder}`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PortraitError(
            f"{path} is missing, so {folder} is no export, or not a finished one; run `portrait snapshot` again"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PortraitError(f"{path} is not readable JSON ({error}); run `portrait snapshot` again") from None
    if missing := [key for key in ("as_of", "sha256") if key not in manifest]:
        raise PortraitError(f"{path} lacks '{missing[0]}'; it was not written by this version: run `portrait snapshot` again")
    return dict(manifest)


def _verify(folder: Path, name: str, manifest: dict[str, Any]) -> None:
    path, expected = folder / name, manifest["sha256"].get(name)
    if expected is None:
        raise PortraitError(f"{folder / 'manifest.json'} does not list {name}; run `portrait snapshot` again")
    if not path.is_file():
        raise PortraitError(f"{path} is missing though the manifest lists it; run `portrait snapshot` again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise PortraitError(
            f"{path} is not the file that the manifest describes (sha256 {found[:12]}…, expected {expected[:12]}…); "
            "it was changed or half copied: run `portrait snapshot` again"
        )
