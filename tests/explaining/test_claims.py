"""What a claim may rest on: the pieces of a history, their groups, and which of them are named, by hand."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from portrait_assets.explaining import drivers
from portrait_assets.explaining.claims import Claim, Unit, target_of, units_of
from portrait_assets.explaining.evidence import evidence_of, pool_of
from portrait_assets.packs import load_pack

AS_OF = date(2024, 4, 1)
# number, visit, day, type, department, category, cents
EVENTS = [
    (1, "v1", date(2024, 3, 31), "purchase", "food", "dairy", 200),
    (2, "v1", date(2024, 3, 31), "purchase", "home", "care", 500),
    (3, "v1", date(2024, 3, 31), "view", "food", "dairy", None),
    (4, "v2", date(2024, 3, 18), "purchase", "food", "bakery", 300),  # 13 days before the last day
    (5, "v3", date(2024, 3, 17), "purchase", "food", "dairy", 100),  # 14
    (6, "v4", date(2024, 2, 1), "view", None, None, None),  # 59
    (7, "v5", date(2024, 1, 31), "return", "food", "dairy", 900),  # 60
    (8, "v6", date(2024, 3, 30), "exposure", None, None, None),
]
FRAME = pl.DataFrame(
    EVENTS,
    schema=["event_number", "visit_id", "event_date", "event_type", "department", "category", "amount_cents"],
    orient="row",
)


def test_a_claim_of_coming_back_rests_on_visits_by_their_age_newest_first():
    found = units_of(FRAME, "churn_14d", AS_OF)
    assert [(unit.numbers, unit.event_type, unit.cents, unit.group) for unit in found] == [
        ((1, 2, 3), "purchase", 700, "visits in the last 14 days"),
        ((4,), "purchase", 300, "visits in the last 14 days"),
        ((5,), "purchase", 100, "visits 14 to 60 days ago"),
        ((6,), "view", 0, "visits 14 to 60 days ago"),
        ((7,), "return", 0, "visits more than 60 days ago"),  # what was paid back is not paid
    ]
    assert [unit.told for unit in found][::3] == ["31 Mar 2024: 2 purchase lines, 7.00", "1 Feb 2024: 1 view"]


def test_an_order_is_told_by_what_was_bought_whenever_it_was_viewed_and_reviewed():
    order = [
        (1, "o1", date(2024, 3, 10), "view", "food", "dairy", None),
        (2, "o1", date(2024, 3, 11), "purchase", "food", "dairy", 900),
        (3, "o1", date(2024, 3, 20), "review", None, None, None),
        (4, "o2", date(2024, 3, 12), "view", "food", "dairy", None),
        (5, "o2", date(2024, 3, 13), "cart", "food", "dairy", None),
        (6, "o2", date(2024, 3, 12), "view", "food", "bakery", None),
    ]
    found = units_of(pl.DataFrame(order, schema=FRAME.schema, orient="row"), "churn_14d", AS_OF)
    assert [(unit.numbers, unit.group) for unit in found] == [
        ((4, 5, 6), "visits 14 to 60 days ago"),
        ((1, 2, 3), "visits 14 to 60 days ago"),
    ]
    assert [unit.told for unit in found] == ["12 Mar 2024: 2 views", "11 Mar 2024: 1 purchase line, 9.00"]


def test_a_claim_of_a_category_rests_on_what_each_visit_bought_of_it_and_of_what_is_beside_it():
    found = units_of(FRAME, "category_14d=dairy", AS_OF)
    assert [(unit.numbers, unit.kind, unit.cents, unit.group) for unit in found] == [
        ((1, 3), "dairy", 200, "purchases of dairy in the last 14 days"),
        ((2,), "care", 500, "other purchases"),
        ((4,), "bakery", 300, "purchases of other food"),
        ((5,), "dairy", 100, "purchases of dairy 14 to 60 days ago"),
        ((6,), None, 0, "other purchases"),
        ((7,), "dairy", 0, "purchases of dairy more than 60 days ago"),
    ]


def test_a_tag_is_explained_by_the_prediction_of_an_attribute_that_the_pack_has():
    [tag] = [tag for tag in load_pack().tags if tag.id == "income"]
    assert target_of(tag, "high", load_pack().schema.attribute_names) == "income=high"
    assert target_of(tag, "high", ("age",)) is None


def test_a_claim_of_an_attribute_rests_on_departments():
    found = units_of(FRAME, "age=35-44", AS_OF, ["age", "income"])
    assert [(unit.numbers, unit.group) for unit in found] == [
        ((1, 3), "purchases of food"),
        ((2,), "purchases of home"),
        ((4,), "purchases of food"),
        ((5,), "purchases of food"),
        ((6,), "purchases of unknown kind"),
        ((7,), "purchases of food"),
    ]


def test_tried_together_are_the_units_that_matter_most_alone_and_the_latest_four():
    """Least of the claim is held without 10, 5 and 4; what could not be scored is not among them."""
    alone = np.array([5, 4, 7.5, 8, 2, 1, np.nan, 8, 7, 6, 0.5, 10])
    assert pool_of(alone, 3) == [0, 1, 2, 3, 4, 5, 10]
    assert pool_of(alone[:2]) == [0, 1]


def test_drivers_are_means_over_all_users_of_the_head_most_moving_first_six_at_most():
    """Of four users ann loses 0.4 without a group and bob wins 0.2: 0.15 is moved and 0.05 lost; eight groups, of which two are left out."""
    rows = [{"head": "churn", "group": "new", "user_id": user, "lost": lost} for user, lost in (("ann", 0.4), ("bob", -0.2))]
    rows += [
        {"head": "churn", "group": f"g{k}", "user_id": user, "lost": k / 10} for k in range(1, 8) for user in ("cat", "dan")
    ]
    rows += [{"head": "age", "group": "food", "user_id": "ann", "lost": 0.9}]
    assert drivers._means(rows).rows() == [
        *(("churn", f"g{k}", 2, pytest.approx(k / 20), pytest.approx(k / 20)) for k in (7, 6, 5, 4)),
        ("churn", "new", 2, pytest.approx(0.15), pytest.approx(0.05)),
        ("churn", "g3", 2, pytest.approx(0.15), pytest.approx(0.15)),
        ("age", "food", 1, 0.9, 0.9),
    ]


class Additive:
    """Log odds that lose a weight of its own without each unit."""

    def __init__(self, full: list[float], weights: list[list[float]]):
        self.full, self.weights = full, weights

    def support(self, claims, units, tries) -> np.ndarray:
        return np.array([self.full[n] - sum(self.weights[n][unit] for unit in gone) for n, gone in tries])


def test_evidence_names_at_most_five_units_the_strongest_first_and_none_that_speaks_against_the_claim():
    weights = [[0.5, 3.0, -1.0, 2.0, 0.25, 1.0, 1.5], [], [-2.0]]
    claims = [Claim(user, "churn_14d", 1) for user in ("ann", "bob", "cat")]
    units = [[Unit((n,), 1, AS_OF, "view", None, 0, "visits") for n in range(len(of))] for of in weights]
    ann, bob, cat = evidence_of(Additive([4.0, 1.0, 0.0], weights), claims, units)
    assert (ann.full, ann.named, ann.without_named) == (4.0, [1, 3, 6, 5, 0], 4.0 - 8.0)
    assert ann.alone == pytest.approx([3.5, 1.0, 5.0, 2.0, 3.75, 3.0, 2.5])
    assert (bob.full, bob.alone.tolist(), bob.named, bob.without_named) == (1.0, [], [], 1.0)
    assert (cat.alone.tolist(), cat.named, cat.without_named) == ([2.0], [], 0.0)
