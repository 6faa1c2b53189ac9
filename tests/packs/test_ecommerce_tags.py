"""Every value of every shipped tag, each from a row made by hand at its edge; and what a row must lack to lack the tag."""

from datetime import date
from typing import Any

import pytest

from portrait_assets.packs import load_pack

ATTRIBUTES = load_pack().schema.attribute_names
TAGS = {tag.id: tag for tag in load_pack().tags}
TODAY = date(2017, 9, 30)


def shares(*pairs: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"value": name, "share_milli": share} for name, share in pairs]


def paid(cents: int, **fields: Any) -> dict[str, Any]:
    return {"spend_cents": cents, "net_spend_cents": cents, **fields}


def visits(count: int, **parts: int) -> dict[str, Any]:
    return {"visits": count, **{f"{name}_visits": part for name, part in parts.items()}}


def gaps(purchase_days: int, mean: float, std: float | None = None, **fields: Any) -> dict[str, Any]:
    return {"purchase_days": purchase_days, "mean_gap_days": mean, "std_gap_days": std, **fields}


def year(tenure: int, spend_365d: int, **windows: int) -> dict[str, Any]:
    return {
        "tenure_days": tenure,
        "purchase_days": 20,
        "purchase_days_365d": 8,
        "net_spend_cents_365d": spend_365d,
        **{f"net_spend_cents_{name}": cents for name, cents in windows.items()},
    }


def baskets(recent_cents: int) -> dict[str, Any]:
    return {
        "purchase_days": 10,
        "purchase_days_90d": 5,
        "net_spend_cents": 15_000 + recent_cents,
        "net_spend_cents_90d": recent_cents,
    }


def in_fifth(score: str, **fields: int) -> dict[str, dict[str, Any]]:
    """The values of a tag that says a fifth, by the lowest fifth that gives each; what is no value of a tag goes with all of them."""
    names = {value for tag in TAGS.values() for value in tag.values}
    common = {name: number for name, number in fields.items() if name not in names}
    return {value: {score: number, **common} for value, number in fields.items() if value in names}


STEPS = TAGS["price_level"].values
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "lifecycle": {stage: {"lifecycle": stage} for stage in TAGS["lifecycle"].values},
    "customer_since": {
        "under a month": {"tenure_days": 29},
        "1 to 3 months": {"tenure_days": 30},
        "3 to 12 months": {"tenure_days": 90},
        "1 to 3 years": {"tenure_days": 365},
        "over 3 years": {"tenure_days": 1095},
    },
    "buyer_stage": {
        "bought once": {"purchase_days": 1},
        "bought a few times": {"purchase_days": 4},
        "repeat buyer": {"purchase_days": 5},
    },
    "came_back": {"yes": {"purchase_days": 4, "pace_days": 20.0, "last_gap_days": 41, "purchase_recency_days": 20}},
    "value_tier": {tier: paid(1, value_tier=tier) for tier in ("high", "medium", "low")},
    "rfm_segment": {name: {"segment": name} for name in TAGS["rfm_segment"].values},
    # 180 days known: 90 of them before the last 90, with 300.00 spent
    "spending_trend": {
        "rising": year(179 + 1, 70_333, **{"90d": 40_333}),  # 91 days at 300.00 are 296.70 in 90; a third more is 395.60
        "steady": year(179 + 1, 60_000, **{"90d": 30_000}),
        "falling": year(179 + 1, 49_700, **{"90d": 19_700}),
    },
    "ticket_size": in_fifth("ticket_score", small=1, medium=2, large=5, purchase_days=3),
    "shopping_frequency": {
        "several times a week": gaps(4, 4.0),
        "weekly": gaps(4, 10.0),
        "fortnightly": gaps(4, 20.0),
        "monthly": gaps(4, 45.0),
        "every few months": gaps(4, 180.0),
        "rarely": gaps(4, 180.5),
    },
    "rhythm": {"regular": gaps(6, 10.0, 5.9), "variable": gaps(6, 10.0, 10.0), "irregular": gaps(6, 10.0, 10.1)},
    "preferred_daypart": {
        "night": visits(20, night=9, morning=8, evening=3),
        "morning": visits(20, morning=9, afternoon=8, evening=3),
        "afternoon": visits(20, afternoon=9, morning=8, evening=3),
        "evening": visits(20, evening=9, morning=8, night=3),
    },
    "week_part": {"weekend": visits(6, weekend=3), "all week": visits(6, weekend=2), "weekdays": visits(10, weekend=1)},
    "basket_size": in_fifth("basket_score", small=1, medium=4, large=5, purchase_days=3),
    "activity_level": {
        "most days": {"tenure_days": 90, "active_days_90d": 45},
        "weekly": {"tenure_days": 90, "active_days_90d": 12},
        "monthly": {"tenure_days": 90, "active_days_90d": 3},
        "rare": {"tenure_days": 90, "active_days_90d": 1},
        "none": {"tenure_days": 90, "active_days_90d": 0},
    },
    # 107 days known: 100.00 a week over the 100 days before the last 7, and four times that in them
    "stocked_up": {"yes": year(106, 142_857 + 40_000, **{"7d": 40_000}) | {"purchase_days_365d": 20, "purchase_days_7d": 1}},
    "browses_without_buying": {"yes": {"views_90d": 20, "main_act": "purchase"}},
    "leaves_carts": {"yes": {"carts_90d": 5, "purchases_90d": 2, "main_act": "purchase"}},
    "search_led": {"yes": {"searches": 5, "visits": 10}},
    "reviewer": {"often": {"reviews": 3, "review_score": 5}, "sometimes": {"reviews": 2, "review_score": 5}},
    "rating_style": in_fifth("rating_score", critic=1, balanced=2, generous=5, ratings=3),
    "campaign_response": {"redeems coupons": {"exposures": 1, "coupons": 1}, "reached, no redemption": {"exposures": 1}},
    "top_department": {"DAIRY": {"departments": shares(("DAIRY", 200)), "top_department": "DAIRY", "purchases": 3}},
    "top_category": {"CHEESE": {"categories": shares(("CHEESE", 83)), "top_category": "CHEESE", "views": 5}},
    "category_breadth": {
        "focused": {"purchases": 10, "category_count": 10, "categories": shares(("A", 300), ("B", 300))},
        "balanced": {"purchases": 10, "category_count": 10, "categories": shares(("A", 150), ("B", 100))},
        "explorer": {"purchases": 10, "category_count": 10, "categories": shares(("A", 149), ("B", 100))},
    },
    "favourite_brand": {"Acme": {"brands": shares(("Acme", 300)), "top_brand": "Acme", "purchases": 5}},
    "brand_leaning": {
        "leans to store brands": {"purchases": 10, "brands": shares(("National", 600), ("Private", 400))},
        "mixes both": {"purchases": 10, "brands": shares(("National", 850), ("Private", 150))},
        "leans to national brands": {"purchases": 10, "brands": shares(("National", 851), ("Private", 149))},
    },
    "price_level": {name: {"purchases": 10, "top_price_band": step} for step, name in enumerate(STEPS)},
    "promotion_sensitivity": in_fifth("discount_score", low=1, medium=2, high=5, purchases=10),
    "coupon_user": {
        "frequent": {"coupon_purchases": 10, "purchases": 200},
        "occasional": {"coupon_purchases": 10, "purchases": 201},
    },
    "overdue": {
        "overdue": gaps(6, 10.0, 4.0, purchase_recency_days=19),
        "long overdue": gaps(6, 10.0, 4.0, purchase_recency_days=27),
    },
    "churn_risk": {"high": {"churn": 0.6}, "medium": {"churn": 0.3}, "low": {"churn": 0.0}},
    "high_value_slipping": {"yes": paid(1, value_tier="high", lifecycle="lapsing")},
    "returns_often": {"yes": {"returns": 3, "purchases": 30, "return_score": 5}},
    "acquisition_cohort": {"2017 Q3": {"first_date": date(2017, 9, 30)}},
    "loyalty_milestone": {f"{days} days": {"purchase_days": days} for days in (5, 25, 50, 100)},
    "onboarding": {
        "settled in": {"tenure_days": 59, "purchase_days": 3, "pace_days": 15.0},
        "started": {"tenure_days": 29, "purchase_days": 2},
        "not yet bought": {"tenure_days": 29, "pace_days": 2.0, "main_act": "purchase"},
    },
    "lifetime_spend": {name: {"spend_score": fifth} for fifth, name in enumerate(TAGS["lifetime_spend"].values, start=1)},
    "savings_level": {
        name: {"purchases": 10, "discount_cents": 1, "saved_share": share}
        for name, share in zip(TAGS["savings_level"].values, (0.049, 0.05, 0.2, 0.4), strict=True)
    },
    # five shopping days at 30.00 before the last 90 days; five in them
    "basket_trend": {
        "growing": baskets(20_000),
        "steady": baskets(15_000),
        "shrinking": baskets(10_000),
    },
    "units_per_line": in_fifth("units_score", few=1, usual=3, many=5, purchases=10),
    # 180 days before the last 90 with 18 visits: 9 in 90 days
    "visit_trend": {
        "more often": {"tenure_days": 269, "visits_90d": 12, "visits_365d": 30},
        "as before": {"tenure_days": 269, "visits_90d": 9, "visits_365d": 27},
        "less often": {"tenure_days": 269, "visits_90d": 6, "visits_365d": 24},
    },
    "conversion": in_fifth("conversion_score", **{"seldom": 1, "as most": 2, "often": 5}, active_days=10),
    "research_style": in_fifth("research_score", **{"decides fast": 1, "compares": 2, "researches": 5}, views=20, purchases=5),
    "department_spread": {
        "one department": {"purchases": 10, "departments": shares(("A", 700))},
        "mostly one": {"purchases": 10, "departments": shares(("A", 400))},
        "across departments": {"purchases": 10, "departments": shares(("A", 399))},
    },
    "brand_loyalty": {
        name: {"purchases": 10, "top_brand": "Acme", "brands": shares(("Acme", share))}
        for name, share in (("loyal", 500), ("leaning", 200), ("switches", 199))
    },
    "price_spread": {
        name: {"purchases": 10, "price_bands": shares(("2", share))}
        for name, share in (("one price step", 600), ("neighbouring steps", 400), ("all prices", 399))
    },
    # 5 of 20 lines reduced before the last 90 days
    "promotion_trend": {
        name: {
            "purchases": 40,
            "purchases_90d": 20,
            "discounted_purchases": 5 + recent,
            "discounted_purchases_90d": recent,
            "discount_cents": 1,
        }
        for name, recent in (("more on promotion", 8), ("as before", 6), ("less on promotion", 2))
    },
    "one_and_done": {"yes": {"purchase_days": 1, "lifecycle": "lapsed"}},
    "refund_burden": {
        "notable": paid(1_000, refund_cents=50, purchases=5),
        "high": paid(1_000, refund_cents=200, purchases=5),
    },
    "promotion_only": {"yes": {"purchases": 20, "discounted_purchases": 18, "discount_cents": 1}},
    "cutting_back": {"yes": {**year(180, 49_700, **{"90d": 19_700}), **paid(1, value_tier="high", lifecycle="active")}},
    "worth_winning_back": {"yes": {"spend_score": 4, "lifecycle": "lapsed"}},
    "retention_priority": {
        "first": paid(1, churn=0.6, value_tier="high"),
        "second": paid(1, churn=0.6, value_tier="medium"),
    },
    "history_depth": {"thin": {"active_days": 4}, "fair": {"active_days": 5}, "rich": {"active_days": 25}},
    "campaign_reach": {"1 or 2": {"exposures": 2}, "3 to 9": {"exposures": 3}, "10 or more": {"exposures": 10}},
    "recent_redeemer": {"yes": {"coupons_90d": 1}},
    "declared_profile": {
        "full": {f"{name}_origin": "declared" for name in ATTRIBUTES[:6]},
        "partial": {"age_origin": "declared", "gender_origin": "inferred"},
    },
    "item_knowledge": {
        name: {"purchases": 5, "category_count": 1, "unknown_share_milli": share}
        for name, share in (("well known", 50), ("partly known", 300), ("poorly known", 301))
    },
    **{name: {"some": {name: "some", f"{name}_origin": "inferred", f"{name}_probability": 0.6}} for name in ATTRIBUTES},
}
ABSENT: list[tuple[str, dict[str, Any]]] = [
    ("buyer_stage", {"views": 50}),
    ("buyer_stage", {"purchase_days": 9, "spend_cents": 100, "net_spend_cents": 0}),  # all went back
    ("one_and_done", {"purchase_days": 1, "lifecycle": "lapsed", "spend_cents": 100, "net_spend_cents": -1}),
    ("onboarding", {"tenure_days": 5, "purchase_days": 1, "main_act": "purchase", "spend_cents": 100, "net_spend_cents": 0}),
    ("onboarding", {"tenure_days": 5, "returns": 1, "main_act": "purchase"}),  # bought before the data begins
    ("lifetime_spend", {"spend_cents": 100, "net_spend_cents": 0, "purchase_days": 1}),
    ("spending_trend", {**year(269, 900, **{"90d": -300}), "purchase_days_365d": 20}),
    (
        "spending_trend",
        {**year(269, 300, **{"90d": 600}), "purchase_days_365d": 20},
    ),  # before them more came back than was paid
    ("basket_trend", baskets(-100)),
    ("came_back", {"purchase_days": 4, "pace_days": 20.0, "last_gap_days": 40, "purchase_recency_days": 20}),
    ("came_back", {"purchase_days": 4, "pace_days": 20.0, "last_gap_days": 41, "purchase_recency_days": 21}),
    ("came_back", {"purchase_days": 3, "pace_days": 20.0, "last_gap_days": 41, "purchase_recency_days": 20}),
    ("came_back", {"purchase_days": 4, "last_gap_days": 41, "purchase_recency_days": 20}),
    ("value_tier", {"value_tier": "low"}),  # no amount on record: everybody would be low
    ("high_value_slipping", {"value_tier": "high", "lifecycle": "lapsing"}),
    ("high_value_slipping", paid(1, value_tier="high", lifecycle="dormant")),
    ("spending_trend", year(179, 60_000, **{"90d": 30_000})),
    ("spending_trend", year(180, 60_000, **{"90d": 30_000}) | {"purchase_days_365d": 7}),
    ("ticket_size", {"purchase_days": 3, "purchases": 9}),  # no cut points yet
    ("ticket_size", {"purchase_days": 2, "ticket_score": 5}),
    ("basket_size", {"purchase_days": 2, "basket_score": 1}),
    ("rating_style", {"ratings": 2, "rating_score": 5}),
    ("units_per_line", {"purchases": 9, "units_score": 5}),
    ("conversion", {"active_days": 9, "conversion_score": 5}),
    ("category_breadth", {"purchases": 10, "category_count": 9, "categories": shares(("A", 600))}),
    (
        "stocked_up",
        year(106, 142_857 + 40_000, **{"7d": 40_000}) | {"purchase_days_365d": 14, "purchase_days_7d": 1},
    ),  # as usual
    ("shopping_frequency", gaps(3, 7.0)),
    ("rhythm", gaps(5, 10.0, 5.0)),
    ("rhythm", gaps(9, 0.0, 0.0)),
    ("preferred_daypart", visits(9, night=9)),  # dates without times
    ("preferred_daypart", visits(4, evening=4)),
    ("preferred_daypart", visits(20, morning=8, afternoon=7, evening=5)),
    ("activity_level", {"tenure_days": 89, "active_days_90d": 45}),
    ("browses_without_buying", {"views_90d": 20, "purchases_90d": 1, "main_act": "purchase"}),
    ("browses_without_buying", {"views_90d": 20, "main_act": "view"}),  # nobody buys here
    ("leaves_carts", {"carts_90d": 6, "purchases_90d": 3, "main_act": "purchase"}),
    ("leaves_carts", {"carts_90d": 6, "main_act": "cart"}),
    ("campaign_response", {"coupons": 4}),
    ("top_department", {"departments": shares(("DAIRY", 199)), "top_department": "DAIRY", "purchases": 3}),
    ("favourite_brand", {"brands": shares(("National", 900)), "top_brand": "National", "purchases": 50}),
    ("brand_leaning", {"brands": shares(("Acme", 900)), "purchases": 50}),
    ("promotion_sensitivity", {"purchases": 20}),  # no reduction on record: the source may not tell them
    ("overdue", gaps(6, 10.0, 4.0, purchase_recency_days=18)),
    ("overdue", gaps(9, 1.0, 0.0, purchase_recency_days=7)),
    ("churn_risk", {}),
    ("returns_often", {"returns": 3, "purchases": 31, "return_score": 5}),
    ("returns_often", {"returns": 3, "purchases": 30, "return_score": 4}),  # as many do here
    ("returns_often", {"returns": 3}),
    ("loyalty_milestone", {"purchase_days": 4}),
    ("onboarding", {"tenure_days": 30, "purchase_days": 9, "pace_days": 7.0}),
    ("onboarding", {"tenure_days": 60, "purchase_days": 9, "pace_days": 15.0}),
    ("onboarding", {"tenure_days": 5, "main_act": "review"}),  # nobody buys here
    ("lifetime_spend", {"views": 5}),
    ("one_and_done", {"purchase_days": 1, "lifecycle": "lapsing"}),
    ("one_and_done", {"purchase_days": 1, "purchase_recency_days": 99}),
    ("one_and_done", {"purchase_days": 2, "lifecycle": "dormant"}),
    ("refund_burden", paid(1_000, refund_cents=49, purchases=5)),
    ("promotion_only", {"purchases": 21, "discounted_purchases": 18, "discount_cents": 1}),
    ("worth_winning_back", {"spend_score": 3, "lifecycle": "lapsed"}),
    ("retention_priority", paid(1, churn=0.6, value_tier="low")),
    ("retention_priority", paid(1, churn_14d=0.9, churn=0.2, value_tier="high")),  # a buyer of every 44 days
    ("campaign_reach", {"coupons": 3}),
    ("declared_profile", {"age_origin": "inferred"}),
    ("brand_loyalty", {"purchases": 50, "top_brand": "National", "brands": shares(("National", 900))}),
    ("visit_trend", {"tenure_days": 179, "visits_90d": 9, "visits_365d": 27}),
]


def test_every_shipped_tag_and_every_declared_value_has_a_case():
    assert CASES.keys() == TAGS.keys()
    for tag_id, cases in CASES.items():
        assert not TAGS[tag_id].values or set(TAGS[tag_id].values) == set(cases), tag_id
        assert cases, tag_id


def test_every_value_occurs_where_it_should(small_warehouse):
    expected = {}
    for tag_id, cases in CASES.items():
        for number, (value, fields) in enumerate(cases.items()):
            small_warehouse.snapshot(f"{tag_id}:{number}", TODAY, **fields)
            expected[f"{tag_id}:{number}"] = value
    rows = {row["user_id"]: row for row in small_warehouse.values(TAGS.values())}
    assert {user_id: rows[user_id][user_id.split(":")[0]] for user_id in expected} == expected
    exported = small_warehouse.export(TAGS.values())
    assert all(0 <= row["confidence"] <= 1 for row in exported)
    assert {row["tag_id"] for row in exported} == set(TAGS)


def test_every_value_of_a_closed_tag_is_declared(small_warehouse):
    for tag_id, cases in CASES.items():
        for number, fields in enumerate(cases.values()):
            small_warehouse.snapshot(f"{tag_id}:{number}", TODAY, **fields)
    for row in small_warehouse.export(TAGS.values()):
        assert not TAGS[row["tag_id"]].values or row["value"] in TAGS[row["tag_id"]].values


@pytest.mark.parametrize(("tag_id", "fields"), ABSENT)
def test_tag_is_absent_just_short_of_its_edge(small_warehouse, tag_id: str, fields: dict[str, Any]):
    small_warehouse.snapshot("u", TODAY, **fields)
    (row,) = small_warehouse.values([TAGS[tag_id]])
    assert row[tag_id] is None
