"""What an audience may say, what it comes to, and what is said of a slip of the pen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_assets.audiences import audience
from portrait_assets.audiences.language import Condition, Expression, Joined, Not, parse
from portrait_assets.errors import PortraitError
from portrait_assets.reading import Export


def numbers(export: Export, text: str) -> list[int]:
    return sorted(int(user_id[1:]) for user_id in audience(export, text).ids())


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("lifecycle = lapsing", [*range(1, 11)]),
        ("lifecycle = lapsing and value_tier = high", [2, 4, 6, 8, 10]),
        ('lifecycle = lapsing and categories has "CHEESE"', [1, 2, 3, 4, 5]),
        ("visits <= 3 or visits > 39", [1, 2, 3, 40]),
        ("visits >= 38 and visits < 40 and visits != 38", [39]),
        ("churn_14d >= 37 %", [37, 38, 39]),
        ("churn_14d <= 2 % or lifecycle = lapsing and visits = 9", [1, 2, 9]),
        ("(churn_14d <= 2 % or lifecycle = lapsing) and visits = 9", [9]),
        ("lifecycle not in (active, lapsed) and not categories has MILK", [1, 2, 3, 4, 5]),
        ("value_tier is not known", [40]),
        ("value_tier != low and visits > 36", [38]),
        ("not value_tier = low and visits > 36", [38, 40]),
        ("not churn_14d < 0.39", [39, 40]),
        ("first_date < 2017-01-01", []),
        ('chance("category_14d=CHEESE") > 50 % and visits < 22', [21]),
        # u31 and u33 are fresh and high, u35, u37 and u39 stale and high; u32 and u34 fresh and low, u36 and u38 stale and low.
        ("churn_risk = high", [31, 33]),
        ("any(churn_risk) = high", [31, 33, 35, 37, 39]),
        ("stale(churn_risk) = high", [35, 37, 39]),
        ("churn_risk != high", [32, 34]),
        ("churn_risk is known", [31, 32, 33, 34]),
        ("stale(churn_risk) is known and not any(churn_risk) in (low)", [35, 37, 39]),
        ("not churn_risk = high and visits > 36", [37, 38, 39, 40]),
    ],
)
def test_members_are_those_the_words_say(export: Export, text: str, members: list[int]):
    assert numbers(export, text) == members


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lifecyle = lapsing", "no tag or number 'lifecyle' in generation made-2017-10-01; nearest: lifecycle"),
        ("lifecycle = lapsin", "'lapsin' is no value of lifecycle .*; nearest: lapsing, lapsed"),
        ("lifecycle in (active, CHESE)", "'CHESE' is no value of lifecycle"),
        ('categories has "CHESE"', "'CHESE' is no value of categories .*; nearest: CHEESE"),
        ('chance("category_14d=CHESE") > 1', "no prediction .*; nearest: category_14d=CHEESE"),
        (
            'chance("category_14d=TEA") >= 5 %',
            "'category_14d=TEA' is not predicted in generation made-2017-10-01: nobody bought it",
        ),
        ('chance("item_14d=7") >= 5 %', "'item_14d=7' is not predicted in generation made-2017-10-01: too few did"),
        ('chance("churn") >= 5 %', "'churn' is not predicted in generation made-2017-10-01: no rhythm"),
        ("visits > many", "visits is a number, and 'many' is not a number"),
        ("visits > nan", "'nan' is not a number"),
        ("first_date > 2017-02-30", "'2017-02-30' is not a date"),
        ("lifecycle < lapsing", "lifecycle is a tag and takes only =, !=, in, known"),
        ("categories = CHEESE", "categories is a list and takes only has, known"),
        ("  ", "says nothing"),
        ("lifecycle = lapsing value_tier = high", "character 21: expected 'and', 'or' or the end, found 'value_tier'"),
        ("(lifecycle = lapsing", r"'\)' is missing at the end"),
        ('lifecycle = "lapsing', "character 13: .* quotation mark"),
        ("lifecycle = and", "expected a value"),
        ("(" * 60, "nests deeper"),
        ("stale(visits) > 3", r"'stale\(visits\) > 3': visits is a number, and only a tag can be stale; write visits alone"),
        ("any(lifecyle) = lapsing", "no tag or number 'lifecyle' .*; nearest: lifecycle"),
        ("any(lifecycle = lapsing", r"character 15: expected '\)', found '='"),
        ("any = 3", "no tag or number 'any'"),
        ("__import__('os')", "expected a comparison"),
    ],
)
def test_a_slip_is_one_line_that_names_it(export: Export, text: str, said: str):
    with pytest.raises(PortraitError, match=said) as error:
        audience(export, text)
    assert "\n" not in str(error.value)


def test_how_many_stale_tags_would_bring_is_counted_beside(export: Export):
    found = audience(export, "churn_risk = high or visits = 1")
    assert (found.size, found.size_with_stale) == (3, 6)
    assert audience(export, "stale(churn_risk) = high").size_with_stale == 3  # what is asked for by its age stays so
    assert audience(export, "lifecycle = lapsing").size_with_stale == 10


def test_a_value_absent_today_is_nobody_for_an_audience_judged_before(export: Export):
    assert audience(export, "categories has BREAD", values=False).size == 0


values = st.text(st.characters(codec="utf-8", exclude_characters="\"'"), max_size=8)
leaves = st.one_of(
    st.builds(
        Condition,
        st.sampled_from(["a", 'chance("x y")', "any(a)", "stale(b)"]),
        st.sampled_from(["=", "<=", "has"]),
        st.tuples(values),
    ),
    st.builds(Condition, st.just("b"), st.just("in"), st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Condition, st.just("c"), st.just("known"), st.just(())),
)


def joined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    pair = st.tuples(parts, parts)
    return st.one_of(st.builds(Not, parts), st.builds(Joined, st.sampled_from(["and", "or"]), pair))


@given(st.recursive(leaves, joined, max_leaves=8))
def test_what_is_printed_is_read_back_as_the_same(expression: Expression):
    assert parse(str(expression)) == expression


@given(st.text(st.sampled_from("ab \"'()=<>!,%andornti0.")))
def test_any_text_is_read_or_refused_in_one_line(text: str):
    try:
        parse(text)
    except PortraitError as error:
        assert "\n" not in str(error)
