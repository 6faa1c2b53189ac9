"""Attributes: what an entry may say, and one line with file, line, entry and field for each thing that can't stand."""

import tomllib
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.packs.attributes import MAPPING_KEYS, Attribute, parse_attributes
from portrait_assets.packs.own import Read
from portrait_assets.resources.sql import read_sql
from portrait_assets.sources.mapping import EventStream, UserStream
from tests.packs.test_own import with_own
from tests.small_world import MORE_MEASURES

FILE = Path("packs/clinic/attributes.toml")
GOOD = """\
[[attributes]]
name = "ward"
label = "Ward"
sensitivity = "ordinary"
meaning = "where somebody lies"

[[attributes]]
name = "diagnosis"
label = "Diagnosis"
sensitivity = "sensitive"
inferred = false
meaning = "as declared"
"""


def parse(text: str, over: str | None = None) -> tuple[Attribute, ...]:
    read = [
        Read(tomllib.loads(each), FILE if n == 0 else Path("own.toml"), each)
        for n, each in enumerate((text, over))
        if each is not None
    ]
    return parse_attributes(read, frozenset({"first_date", "visits"}))


def test_what_is_said_is_kept_in_its_order():
    ward, diagnosis = parse(GOOD)
    assert (ward.name, ward.label, ward.sensitivity, ward.inferred, ward.meaning) == (
        "ward",
        "Ward",
        "ordinary",
        True,
        "where somebody lies",
    )
    assert (diagnosis.name, diagnosis.sensitivity, diagnosis.inferred) == ("diagnosis", "sensitive", False)
    assert parse("") == ()


def test_a_file_laid_over_adds_entries_and_changes_what_it_says_of_known_ones():
    own = '[[attributes]]\nname = "ward"\ninferred = false\n' + GOOD.replace('"ward"', '"bed"').partition("\n\n")[0]
    said = parse(GOOD, own)
    assert [(each.name, each.label, each.inferred) for each in said] == [
        ("ward", "Ward", False), ("diagnosis", "Diagnosis", False), ("bed", "Ward", True),
    ]  # fmt: skip
    with pytest.raises(PortraitError, match=r"own.toml, line 3, attribute 'ward', field inferred: .*found 'no'"):
        parse(GOOD, '[[attributes]]\nname = "ward"\ninferred = "no"\n')
    with pytest.raises(PortraitError, match=r"own.toml, line 4, attribute 'ward', field name: 'ward' is used already"):
        parse(GOOD, '[[attributes]]\nname = "ward"\n[[attributes]]\nname = "ward"\n')


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"diagnosis"', '"ward"', r"attributes.toml, line 8, attribute 'ward', field name: 'ward' is used already"),
        ('"diagnosis"', '"first_date"', r"line 8, attribute 'first_date', field name: 'first_date' is a column of a portrait already"),
        ('"diagnosis"', '"ward_origin"', r"line 8, .*'ward_origin' is a column of attribute 'ward'; give this entry another name"),
        ('"diagnosis"', '"ward_probability"', r"line 8, .*'ward_probability' is a column of attribute 'ward'"),
        ('"diagnosis"', '"declared_ward"', r"line 8, .*'declared_ward' is a column of attribute 'ward'"),
        ('"diagnosis"', '"Diagnosis"', r"line 8, .*field name: .*pattern"),
        ('"diagnosis"', '"order"', r"line 8, .*field name: is a word of SQL; give it another name; found 'order'"),
        ('"diagnosis"', '"left"', r"line 8, .*field name: is a word of SQL"),
        ('"diagnosis"', '"rating"', r"line 8, .*field name: 'rating' is a key of a mapping"),
        ('"diagnosis"', '["diagnosis"]', r"line 8, attribute number 2, field name: .*string"),
        ('"sensitive"', '"secret"', r"line 10, attribute 'diagnosis', field sensitivity: .*'personal'.*found 'secret'"),
        ("inferred = false", 'inferred = "seldom"', r"line 11, .*field inferred: .*found 'seldom'"),
        ("inferred = false", "scored = false", r"line 11, .*field scored: is not known here; known are name, label, meaning, sensitivity, inferred"),
        ('label = "Diagnosis"\n', "", r"line 7, attribute 'diagnosis', field label: is missing; add it"),
        ('label = "Diagnosis"', 'label = ""', r"line 9, .*field label: is empty; fill it in"),
        ("[[attributes]]\nname = \"diagnosis\"", "[[attribute]]\nname = \"diagnosis\"", r"attributes.toml.*field attribute: is not known here; known are attributes"),
    ],
)  # fmt: skip
def test_what_can_not_stand_is_one_line_with_its_place(old, new, told):
    assert old in GOOD
    with pytest.raises(PortraitError, match=told) as refusal:
        parse(GOOD.replace(old, new, 1))
    assert "\n" not in str(refusal.value)


def test_a_name_said_twice_is_refused_in_the_file_of_the_home(tmp_path: Path):
    entry = GOOD.partition("\n\n")[0]
    with pytest.raises(PortraitError, match=r"own_a/attributes.toml, line 2, .*'spend_cents_30d' is a column of a portrait"):
        with_own(tmp_path / "own_a", attributes=entry.replace("ward", "spend_cents_30d"))
    with pytest.raises(
        PortraitError, match=r"own_b/attributes.toml, line 2, .*'lunch_visits' is a column of a portrait already"
    ):
        with_own(tmp_path / "own_b", attributes=entry.replace("ward", "lunch_visits"), measures=MORE_MEASURES)
    with pytest.raises(
        PortraitError, match=r"own_c/measures.toml, line 2, measure 'income_origin', field name: .*used already"
    ):
        with_own(tmp_path / "own_c", measures=MORE_MEASURES.replace("cart_days", "income_origin"))


def test_the_version_of_a_pack_is_of_its_attributes_too(tmp_path: Path):
    versions = {with_own(tmp_path / "a", attributes=GOOD).version, load_pack().version}
    assert len(versions | {with_own(tmp_path / "b", attributes=GOOD.replace("Ward", "Bed")).version}) == 3


def test_no_attribute_has_the_name_of_what_a_mapping_says_otherwise():
    keys = {name for stream in (EventStream, UserStream) for name, field in stream.model_fields.items()}
    keys |= {field.alias for stream in (EventStream, UserStream) for field in stream.model_fields.values() if field.alias}
    assert keys == MAPPING_KEYS


def test_the_columns_of_a_pack_are_those_of_its_attributes():
    schema = replace(load_pack().schema, attributes=parse(GOOD))
    assert schema.users.column_names == ["user_id", "ward", "diagnosis"]
    names = schema.snapshots.column_names
    begin = names.index("ward")
    assert names[begin : begin + 6] == [
        "ward", "ward_origin", "ward_probability", "diagnosis", "diagnosis_origin", "diagnosis_probability",
    ]  # fmt: skip
    assert (schema.attribute_names, schema.inferred) == (("ward", "diagnosis"), ("ward",))


@pytest.mark.parametrize("names", [(), ("value", "attribute", "class", "probability", "target", "users", "month")])
def test_any_name_that_is_accepted_can_stand_in_the_sql(names):
    """Names that the SQL itself uses, and none at all."""
    said = "".join(GOOD.partition("\n\n")[0].replace('"ward"', f'"{name}"') + "\n" for name in names)
    schema = replace(load_pack().schema, attributes=parse(said))
    with duckdb.connect() as connection:
        for layer in ("raw", "clean", "features", "scores"):
            connection.execute(f"create schema {layer}")
        for table in schema.tables:
            if table.schema in ("raw", "clean", "features", "scores"):
                connection.execute(table.ddl())
        connection.execute("insert into clean.identities values ('s', 'ann', 'ann', null, null)")
        connection.execute(
            "insert into raw.batches by name select 's' as source, 'people' as stream, 'b' as batch_id, 1 as batch_seq, 'latest' as keep"
        )
        for name in names:
            connection.execute(
                "insert into raw.attributes by name select 's' as source, 'ann' as user_id, $name as attribute, 'my ' || $name as value, 'b' as batch_id, 1 as row_number",
                {"name": name},
            )
        made = connection.execute(read_sql("clean/users.sql", schema), {"through": 9}).fetchall()
    assert made == ([("ann", *(f"my {name}" for name in names))] if names else [])
