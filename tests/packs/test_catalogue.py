"""A catalogue entry is judged before it runs: a bad one is refused with file, tag and field."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.packs import load_pack
from portrait_assets.packs.catalogue import DIMENSIONS, parse_catalogue, slots
from portrait_assets.packs.domains import foreign_values
from portrait_assets.packs.own import Read
from portrait_assets.packs.places import lines_of_entries

PATH = Path("packs/shop/tags.toml")
SCHEMA = load_pack().schema
GOOD = {
    "id": "weekend_shopper",
    "name": "Weekend shopper",
    "name_zh": "周末购物",
    "dimension": "behaviour",
    "kind": "rule",
    "version": 1,
    "owner": "crm",
    "sensitivity": "ordinary",
    "description": "Half of the visits\nor more on a weekend.",
    "value_type": "flag",
    "values": ("yes",),
    "value": "case when weekend_share >= 0.5 then 'yes' end",
    "confidence": "visits / (visits + 10)",
    "evidence": {"weekend_share": "weekend_share", "visits": "visits"},
    "explanation": "{weekend_share} of {visits:visit}.",
}


def parse(*entries: dict[str, Any]):
    return parse_catalogue([Read({"tags": list(entries)}, PATH)], SCHEMA)


def test_good_entry_tells_what_it_reads_and_which_evidence_has_decimals():
    (tag,) = parse(GOOD)
    assert tag.inputs == {"weekend_share"}
    assert tag.fractions == {"weekend_share"}
    assert tag.description == "Half of the visits or more on a weekend."
    assert not tag.uses_cut_points


@pytest.mark.parametrize(
    ("field", "content", "message"),
    [
        ("owner", None, "field owner: is missing; add it"),
        ("colour", "red", "field colour: is not known here; known are id, name"),
        ("id", "Weekend Shopper", "field id: .*pattern"),
        ("dimension", "mood", "field dimension: .*'behaviour'.*found 'mood'"),
        ("kind", "guess", "field kind: .*'fact'.*found 'guess'"),
        ("version", 0, "field version: .*greater than or equal to 1"),
        ("name_zh", "", "field name_zh: is empty; fill it in"),
        ("evidence", {}, "field evidence: is empty; fill it in"),
        (
            "value",
            "case when weekend_shar > 1 then 'yes' end",
            "field value: does not fit a row of portraits.snapshots: .*weekend_shar",
        ),
        ("value", "visits", "field value: gives BIGINT; it has to give VARCHAR"),
        ("value", "case when then", "field value: is not one SQL expression"),
        ("value", "'a'); drop table portraits.snapshots; select ('b'", "field value: is not one SQL expression"),
        ("value", "'a', 'b'", "field value: (is not one SQL expression|gives)"),
        ("value", "(select max(user_id) from portraits.snapshots)", "field value: has a subquery"),
        ("value", "lag(lifecycle) over (order by event_date)", "field value: has a window function"),
        ("value", "max(lifecycle)", "field value: does not fit"),
        ("value", "case when now() > as_of then 'old' end", "field value: calls now"),
        ("value", "case when current_date > as_of then 'old' end", "field value: calls current_date"),
        ("value", "case when random() > 0.5 then 'a' end", "field value: calls random"),
        ("confidence", "lifecycle", "field confidence: gives VARCHAR"),
        ("evidence", {"visits": "vists"}, "field evidence.visits: does not fit"),
        (
            "explanation",
            "{visit} visits",
            r"field explanation: the slot \{visit\} has no evidence; known are weekend_share, visits",
        ),
        ("explanation", "{visits visits", "field explanation: "),
        ("explanation", "{visits.real}", "field explanation: .*is not a slot"),
        ("origin", "'declared'", "field origin: is for kind 'attribute'"),
    ],
)
def test_bad_entry_is_refused_with_file_tag_and_field(field: str, content: Any, message: str):
    entry = {name: value for name, value in {**GOOD, field: content}.items() if value is not None}
    with pytest.raises(PortraitError, match=message) as refusal:
        parse(entry)
    assert str(refusal.value).startswith(f"{PATH}, tag '{entry['id']}', field {field}")


def test_a_tag_is_absent_below_what_it_needs():
    (tag,) = parse({**GOOD, "needs": {"visits": 5, "weekend_share": 0.1}})
    assert tag.value == f"case when visits >= 5 and weekend_share >= 0.1 then ({GOOD['value']}\n) end"
    assert tag.inputs == {"visits", "weekend_share"}
    leaning = {**GOOD, "id": "leaning", "value": "case when tag.weekend_shopper = 'yes' then 'yes' end"}
    assert "visits >= 5" in parse({**GOOD, "needs": {"visits": 5}}, leaning)[1].value


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ({"vists": 5}, "field needs.vists: does not fit a row of portraits.snapshots"),
        ({"lifecycle": 5}, "field needs.lifecycle: gives VARCHAR; it has to give DOUBLE"),
        ({"visits": "many"}, "field needs.visits"),
        ({"Visits; drop": 1}, "field needs"),
    ],
)
def test_bad_needs_are_refused_by_their_place(needs: dict, message: str):
    with pytest.raises(PortraitError, match=message):
        parse({**GOOD, "needs": needs})


def test_attribute_needs_an_origin():
    with pytest.raises(PortraitError, match="field origin: is for kind 'attribute', and needed there"):
        parse({**GOOD, "kind": "attribute", "refresh": "model"})
    with pytest.raises(PortraitError, match="field refresh: is 'model' for kinds model and attribute, and for no other"):
        parse({**GOOD, "kind": "attribute"})


def test_duplicate_id_is_refused():
    with pytest.raises(PortraitError, match="tag 'weekend_shopper', field id: is used twice"):
        parse(GOOD, GOOD)


def test_entry_without_an_id_is_named_by_its_place():
    with pytest.raises(PortraitError, match="tag number 2, field id: is missing"):
        parse(GOOD, {name: value for name, value in GOOD.items() if name != "id"})


def test_a_file_of_something_else_is_refused():
    with pytest.raises(PortraitError, match=r"has to hold \[\[tags\]\] entries and nothing else"):
        parse_catalogue([Read({"tag": [GOOD]}, PATH)], SCHEMA)


def test_shipped_catalogue_has_unique_ids_and_names_in_every_dimension():
    tags = load_pack().tags
    assert len({tag.id for tag in tags}) == len({tag.name for tag in tags}) == len({tag.name_zh for tag in tags}) == len(tags)
    assert {tag.dimension for tag in tags} == set(DIMENSIONS)
    assert all(re.search(r"[\u4e00-\u9fff]", tag.name_zh) for tag in tags)


def test_shipped_tags_that_read_cut_points_are_found_from_their_expressions():
    assert {tag.id for tag in load_pack().tags if tag.uses_cut_points} == {
        "value_tier", "rfm_segment", "high_value_slipping", "cutting_back", "retention_priority",
        # fifths of the source
        "lifetime_spend", "ticket_size", "basket_size", "units_per_line", "reviewer", "rating_style", "research_style", "conversion",
        "promotion_sensitivity", "returns_often",
        # the source's rhythm, and what it has
        "lifecycle", "came_back", "onboarding", "one_and_done", "worth_winning_back", "browses_without_buying", "leaves_carts",
    }  # fmt: skip
    assert set(SCHEMA.snapshots.column_names) >= SCHEMA.classed


def test_shipped_values_do_not_read_what_ticks_as_a_value():
    """Every value is a word or a name, none a bare number."""
    for tag in load_pack().tags:
        assert not any(re.fullmatch(r"-?\d+(\.\d+)?", value) for value in tag.values)


def test_slots_name_the_evidence():
    assert slots("{a} of {b:visit|visits}[; {c}]") == {"a", "b", "c"}


def refusal_of(text: str) -> str:
    with pytest.raises(PortraitError) as refusal:
        parse_catalogue([Read(tomllib.loads(text), PATH, text)], SCHEMA)
    return str(refusal.value)


def entry_text(**fields: str) -> str:
    said = {name: json.dumps(content, ensure_ascii=False) for name, content in GOOD.items() if name != "evidence"}
    said["evidence"] = '{ weekend_share = "weekend_share", visits = "visits" }'
    return "[[tags]]\n" + "".join(f"{name} = {content}\n" for name, content in (said | fields).items())


def test_a_bad_entry_is_named_by_its_line_even_after_a_text_of_many_lines():
    long_value = '"""case\n    when visits > 5 then \'yes\'\nend"""'
    text = "# head\n" + entry_text(value=long_value) + "\n" + entry_text(id='"other"', owner="3")
    line = next(n for n, said in enumerate(text.splitlines(), 1) if said == "owner = 3")
    assert refusal_of(text).startswith(f"{PATH}, line {line}, tag 'other', field owner: ")


def test_a_line_inside_a_text_is_no_entry():
    text = '[[tags]]\nid = "a"\ndescription = """\n[[tags]]\nid = 3\n"""\nowner = "x"\n'
    assert lines_of_entries(text) == [{"": 1, "id": 2, "description": 3, "owner": 7}]


def test_a_missing_field_is_named_by_the_line_of_its_entry():
    assert f"{PATH}, line 1, tag 'weekend_shopper', field owner: is missing" in refusal_of(
        "".join(line for line in entry_text().splitlines(keepends=True) if not line.startswith("owner"))
    )


def test_a_value_outside_its_domain_is_refused():
    nested = "case when visits > 9 then case when visits > 99 then 'often' else 'daily' end else 'never' end"
    with pytest.raises(PortraitError, match="field value: gives 'daily', which is outside its values: often, never"):
        parse({**GOOD, "value_type": "scale", "values": ["often", "never"], "value": nested})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"value_type": "class"}, "field values: a class has two values or more; found 1"),
        ({"values": ["yes", "yes"]}, "field values: one of them is listed twice"),
        ({"value_type": "name", "domain": "items.brand"}, "field values: a name has no values; found 1"),
        ({"value_type": "name", "values": ()}, "field domain: is for value_type 'name', and needed there"),
        ({"domain": "items.brand"}, "field domain: is for value_type 'name', and needed there"),
        (
            {"value_type": "name", "values": (), "domain": "items.colour"},
            "field domain: 'items.colour' is neither a /pattern/ nor one of",
        ),
        ({"value_type": "name", "values": (), "domain": "/[a/"}, "field domain: /\\[a/ is not a pattern"),
        ({"value_type": "number"}, "field value_type: .*'flag'.*found 'number'"),
    ],
)
def test_values_are_what_the_value_type_asks_for(said: dict[str, Any], message: str):
    with pytest.raises(PortraitError, match=message):
        parse({**GOOD, **said})


def test_a_value_is_foreign_that_is_not_listed_not_of_the_column_and_not_of_the_pattern():
    (listed,) = parse(GOOD)
    (of_items,) = parse({**GOOD, "value_type": "name", "values": (), "domain": "items.brand"})
    (quarter,) = parse({**GOOD, "value_type": "name", "values": (), "domain": r"/\d{4} Q[1-4]/"})
    assert foreign_values(listed, ["yes", "no"], lambda _: set()) == ["no"]
    assert foreign_values(of_items, ["own", "none"], lambda column: {"own"} if column == "items.brand" else set()) == ["none"]
    assert foreign_values(quarter, ["2024 Q1", "2024 Q5", "in 2024 Q1"], lambda _: set()) == ["2024 Q5", "in 2024 Q1"]


def test_a_tag_may_build_on_another_and_reads_what_that_reads():
    on_it = {**GOOD, "id": "on_it", "value": "case when tag.weekend_shopper = 'yes' and 'tag.nobody' != '' then 'yes' end"}
    _, tag = parse(GOOD, on_it)
    assert tag.inputs == {"weekend_share"} and "'tag.nobody'" in tag.value


def test_a_definition_that_refers_to_itself_is_refused_with_the_circle():
    one = {**GOOD, "id": "one", "value": "tag.two"}
    two = {**GOOD, "id": "two", "value": "case when tag.one = 'yes' then 'yes' end"}
    with pytest.raises(PortraitError, match="tag 'one', field value: refers to itself: one -> two -> one"):
        parse(one, two)
    with pytest.raises(PortraitError, match="refers to itself: one -> one"):
        parse({**one, "value": "tag.one"})


def test_an_unknown_reference_gets_the_nearest_name():
    with pytest.raises(PortraitError, match="tag.weekend_shoper is not in the catalogue; nearest is 'weekend_shopper'"):
        parse(GOOD, {**GOOD, "id": "other", "value": "tag.weekend_shoper"})


def test_a_draft_is_judged_and_listed_but_no_user_gets_it():
    pack = dataclasses.replace(load_pack(), catalogue=parse(GOOD, {**GOOD, "id": "idea", "status": "draft"}))
    assert [tag.id for tag in pack.tags] == ["weekend_shopper"]
    assert pack.tag("idea") is not None
