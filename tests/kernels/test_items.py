"""Item vectors: company, content, and where a new item is placed."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from portrait_assets.kernels.items import SIZE, item_vectors, sentences_of
from tests.kernels.conftest import visit_row, visits_of

AS_OF = date(2024, 4, 1)


def breakfasts(*later: dict) -> pl.DataFrame:
    """Forty mornings of bread with milk, tea with honey in the evening; bought by whoever."""
    rows = list(later)
    for k in range(40):
        when = datetime(2024, 2, 1, 8, tzinfo=UTC) + timedelta(days=k)
        breakfast, supper = [f"bread{k % 3}", f"milk{k % 4}"], [f"tea{k % 3}", f"honey{k % 4}"]
        rows += [visit_row(f"u{k % 7}", when, breakfast, [None, None]), visit_row(f"v{k % 5}", when, supper, [None, None])]
    return visits_of(rows)


def described(*more: tuple[str, str]) -> pl.DataFrame:
    kinds = [
        (f"{kind}{n}", kind) for kind, count in (("bread", 3), ("milk", 4), ("tea", 3), ("honey", 4)) for n in range(count)
    ]
    ids, types = zip(*[*kinds, *more], strict=True)
    return pl.DataFrame({"item_id": ids, "item_type": types, "department": ["food"] * len(ids), "size": [None] * len(ids)})


def cosine(vectors, a: str, b: str) -> float:
    x, y = (vectors.matrix[vectors.ids.index(name)] for name in (a, b))
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def test_items_are_near_their_kind_and_their_company():
    vectors = item_vectors(described(), breakfasts(), AS_OF)
    assert vectors.ids == sorted(vectors.ids) and vectors.matrix.shape == (14, 2 * SIZE) and vectors.matrix.dtype == np.float32
    assert {name for name, _ in vectors.nearest("bread0", 2)} == {"bread1", "bread2"}
    assert cosine(vectors, "bread0", "milk0") > cosine(vectors, "bread0", "tea0") + 0.3


def test_a_new_item_is_placed_by_content_and_an_unknown_one_by_company():
    stranger = visit_row("u1", datetime(2024, 3, 1, tzinfo=UTC), ["milk0", "mystery"], [None, None])
    vectors = item_vectors(described(("rye", "bread")), breakfasts(stranger), AS_OF)
    assert vectors.nearest("rye", 1)[0][0].startswith("bread")
    company = vectors.matrix[vectors.ids.index("rye"), SIZE:]
    near, far = (company @ vectors.matrix[vectors.ids.index(name), SIZE:] for name in ("milk1", "tea1"))
    assert near > far + 0.3  # never bought, it already stands where bread is bought
    assert cosine(vectors, "mystery", "milk0") > cosine(vectors, "mystery", "tea0")


def test_purchases_from_the_as_of_on_change_nothing():
    later = visit_row("u1", datetime(2024, 4, 1, tzinfo=UTC), ["bread0", "tea0"], [None, None])
    assert np.array_equal(
        item_vectors(described(), breakfasts(later), AS_OF).matrix, item_vectors(described(), breakfasts(), AS_OF).matrix
    )


@pytest.mark.parametrize("items", [described(), described().clear()])
def test_nothing_bought_or_nothing_described_is_stood(items):
    vectors = item_vectors(items, breakfasts().clear(), AS_OF)
    assert len(vectors.ids) == items.height and np.isfinite(vectors.matrix).all()
    bought = item_vectors(items.clear(), breakfasts(), AS_OF)
    assert len(bought.ids) == 14 and np.isfinite(bought.matrix).all() and bought.matrix.any()


def test_a_name_that_repeats_its_type_and_size_changes_nothing():
    """Said twice, a word would weigh more than what tells the item from others."""
    items = described(("rye", "bread")).with_columns(size=pl.lit("12 oz"))
    named = items.with_columns(name=pl.format("{}, {}", pl.col("item_type"), pl.col("size")))
    assert np.array_equal(item_vectors(items, breakfasts(), AS_OF).matrix, item_vectors(named, breakfasts(), AS_OF).matrix)


def test_a_sentence_says_each_thing_once_and_no_size():
    row = {"item_type": "RYE BREAD", "name": "Rye bread, 12 oz", "category": "BREAD", "department": None, "size": "12 OZ"}
    other = {"item_type": None, "name": "Dark loaf, 12 oz", "category": "BREAD", "department": "FOOD", "size": None}
    nothing = dict.fromkeys(row)
    found = sentences_of(pl.DataFrame([row, other, nothing], schema=dict.fromkeys(row, pl.String)))
    assert found == ["rye bread", "dark loaf, 12 oz, bread, food", ""]


def test_sentences_place_an_item_whose_words_nobody_shares():
    """`loaf` is a word of its own; what a sentence model says of it is what it says of bread."""
    means = {"bread": 0, "loaf": 0, "milk": 1, "tea": 2, "honey": 3}

    def sentences(texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), SIZE))
        for row, text in enumerate(texts):
            found[row, means[text.split(",")[0]]] = 1
        return found

    items = described(("rye", "loaf"))
    said = item_vectors(items, breakfasts(), AS_OF, sentences=sentences)
    assert {name for name, _ in said.nearest("rye", 3)} == {"bread0", "bread1", "bread2"}
    company = said.matrix[said.ids.index("rye"), SIZE:]
    assert company @ said.matrix[said.ids.index("milk1"), SIZE:] > company @ said.matrix[said.ids.index("tea1"), SIZE:] + 0.3
    unknown = item_vectors(items.clear(), breakfasts(), AS_OF, sentences=lambda texts: np.ones((len(texts), SIZE)))
    assert not unknown.matrix[:, :SIZE].any() and np.isfinite(unknown.matrix).all()
