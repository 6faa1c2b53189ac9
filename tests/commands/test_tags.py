"""`portrait tags`: the catalogue as objects, a bad file in one line, and a change told before it is published."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from portrait_assets.cli import app
from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.packs.pack import PACKS_DIR, read_pack
from portrait_assets.reading.catalogue_page import catalogue_page
from tests.packs.test_own import BIG_LINE
from tests.reading.conftest import write_export

FREQUENCY = 'needs = {{ purchase_days = {} }}\nvalue = """case\n    when mean_gap_days <= 4'
SHIPPED = PACKS_DIR / "ecommerce" / "tags.toml"


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["tags", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.output


def changed(folder: Path, *edits: tuple[str, str]) -> str:
    """A copy of the shipped catalogue with each edit, which has to fit."""
    text = SHIPPED.read_text(encoding="utf-8")
    for was, becomes in edits:
        assert was in text
        text = text.replace(was, becomes, 1)
    file = folder / "tags.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def diff(folder: Path, *edits: tuple[str, str]) -> list[dict[str, Any]]:
    export = write_export(folder / "export")
    return json.loads(run("diff", changed(folder, *edits), "--export", str(export), "--json"))


def test_list_gives_one_complete_object_a_tag():
    objects = json.loads(run("list", "--json"))
    assert len(objects) == len(load_pack().catalogue) >= 60
    wanted = {"id", "name", "name_zh", "dimension", "kind", "values", "value", "evidence", "explanation", "owner", "version"}
    assert all(wanted | {"refresh", "ttl_days", "sensitivity", "status", "reads"} <= one.keys() for one in objects)
    assert {one["dimension"] for one in json.loads(run("list", "--dimension", "context", "--json"))} == {"context"}


def test_lint_refuses_a_tag_that_says_less_than_the_attribute_it_reads(tmp_path: Path):
    """What a home has had in force so far is still read: only the lint refuses it."""
    rules = tmp_path / "shop.pack"
    rules.mkdir()
    line = BIG_LINE.splitlines().index('sensitivity = "ordinary"') + 1
    for reads, told in (("income", "sensitive"), ("age", "personal")):
        text = BIG_LINE.replace("spend_cents_30d >= 10000", f"{reads} = 'high'")
        (rules / "tags.toml").write_text(text, encoding="utf-8")
        with pytest.raises(
            PortraitError,
            match=rf"tags.toml, line {line}, tag 'big_line', field sensitivity: is 'ordinary', and the tag reads {reads}, which is '{told}'",
        ):
            run("lint", str(rules / "tags.toml"))
        assert read_pack(PACKS_DIR / "ecommerce", rules).tag("big_line")
        (rules / "tags.toml").write_text(text.replace('"ordinary"', f'"{told}"'), encoding="utf-8")
        assert "69 tags, all well formed" in " ".join(run("lint", str(rules / "tags.toml")).split())


def test_an_unknown_tag_gets_the_nearest_name():
    assert json.loads(run("show", "churn_risk", "--json"))["reads"] == ["churn"]
    with pytest.raises(PortraitError, match="tag 'churn_rsik' is not in the catalogue; nearest is 'churn_risk'"):
        run("show", "churn_rsik")


def test_lint_passes_the_shipped_file_and_names_the_line_of_a_slip(tmp_path: Path):
    assert "68 tags, all well formed" in " ".join(run("lint", str(SHIPPED)).split())
    file = changed(tmp_path, ('dimension = "value"', 'dimension = "worth"'))
    line = Path(file).read_text(encoding="utf-8").splitlines().index('dimension = "worth"') + 1
    with pytest.raises(PortraitError, match=f"tags.toml, line {line}, tag '[a-z_]+', field dimension: "):
        run("lint", file)


def test_the_page_of_the_docs_is_the_catalogue():
    page = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert page == catalogue_page(load_pack()), "make it again: portrait tags page --out docs/catalogue.md"


def test_diff_of_the_same_catalogue_is_empty(tmp_path: Path):
    assert diff(tmp_path) == []


def test_diff_says_who_enters_and_by_which_numbers(tmp_path: Path):
    (change,) = diff(tmp_path, ("when mean_gap_days <= 4 then", "when mean_gap_days <= 8 then"))
    assert (change["tag_id"], change["users_before"], change["users_after"]) == ("shopping_frequency", 1, 1)
    (move,) = change["moves"]
    assert (move["from_value"], move["to_value"]) == ("weekly", "several times a week")
    assert move["users"] == [{"user_id": "101", "evidence": {"mean_gap_days": 7.75, "purchase_days": 12}}]


def test_diff_says_who_leaves_a_removed_value_and_that_the_version_did_not_rise(tmp_path: Path):
    (change,) = diff(tmp_path, (FREQUENCY.format(4), FREQUENCY.format(13)))
    assert [(move["from_value"], move["to_value"]) for move in change["moves"]] == [("weekly", None)]
    file, export = str(tmp_path / "tags.toml"), str(tmp_path / "export")
    told = run("diff", file, "--export", export)
    assert "version 2 -> version 2, 1 -> 0 users; its definition differs under one version: raise it" in " ".join(told.split())
    assert "user 101: mean_gap_days 7.75, purchase_days 12" in told
