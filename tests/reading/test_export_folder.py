"""An export is what its manifest says, or is refused in one line."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_whole_export_opens_with_its_as_of_and_models(export_folder: Path):
    export = Export.open(export_folder)
    assert export.as_of == date(2017, 10, 1)
    assert export.model_versions == ("m1",)
    assert export.user_ids() == ["101", "102", "103"]
    assert export.scan("tags").collect().height == 4


def test_generation_names_the_content_and_not_the_run(export_folder: Path):
    before = Export.open(export_folder).generation
    rewrite(export_folder, run={"made_at": "later"})
    assert Export.open(export_folder).generation == before
    rewrite(export_folder, code_version="0.2.0")
    assert Export.open(export_folder).generation != before
    rewrite(export_folder, generation="g7")
    assert Export.open(export_folder).generation == "g7"


def test_model_versions_may_be_a_list_or_none(export_folder: Path):
    rewrite(export_folder, model_versions=["m2", "m1", None])
    assert Export.open(export_folder).model_versions == ("m1", "m2")
    rewrite(export_folder, model_versions=[])
    assert Export.open(export_folder).model_versions == ()


def test_changed_file_is_refused(export_folder: Path):
    (export_folder / "tags.parquet").write_bytes(b"something else")
    with pytest.raises(
        PortraitError, match=r"tags\.parquet is not the file that the manifest describes .* run `portrait snapshot` again"
    ):
        Export.open(export_folder)


def test_missing_file_is_refused(export_folder: Path):
    (export_folder / "embeddings.parquet").unlink()
    with pytest.raises(PortraitError, match=r"embeddings\.parquet is missing though the manifest lists it"):
        Export.open(export_folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"as_of": None}, "lacks 'as_of'"),
        ({"sha256": None}, "lacks 'sha256'"),
        ({"sha256": {}}, r"does not list portraits\.parquet"),
    ],
)
def test_manifest_that_says_too_little_is_refused(export_folder: Path, changes: dict[str, Any], message: str):
    rewrite(export_folder, **changes)
    with pytest.raises(PortraitError, match=message):
        Export.open(export_folder)


def test_wrong_as_of_is_refused(export_folder: Path):
    rewrite(export_folder, as_of="October")
    with pytest.raises(PortraitError, match=r"manifest\.json: as_of 'October' is not a date"):
        Export.open(export_folder)


def test_folder_without_a_manifest_is_refused(tmp_path: Path):
    with pytest.raises(PortraitError, match=r"manifest\.json is missing"):
        Export.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(PortraitError, match="is not readable JSON"):
        Export.open(tmp_path)
    with pytest.raises(PortraitError, match="nowhere is not a folder"):
        Export.open(tmp_path / "nowhere")


def test_unknown_user_is_refused_with_ids_like_it(export_folder: Path):
    with pytest.raises(PortraitError) as refusal:
        Export.open(export_folder).portrait("110")
    assert str(refusal.value).startswith("user '110' has no event before 2017-10-01 (as-of); 3 users have, for example 10")
    assert "select user_id from" in str(refusal.value)
