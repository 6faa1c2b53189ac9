"""Pages without a browser: what they say of an export, and that data is shown and never obeyed."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.pages.card_page import card_page
from portrait_assets.pages.frame import open_export, top_bar
from portrait_assets.pages.model_page import model_page
from portrait_assets.pages.segments_page import segments_page
from portrait_assets.reading import Export
from portrait_assets.reading.ask import answer
from portrait_assets.reading.card import card
from portrait_assets.reading.choosing import EVERYBODY, asked_for, offered
from portrait_assets.reading.model_figures import parts, reliability
from portrait_assets.reading.segment_map import plane, segment_map
from tests.reading.conftest import write_export


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export.open(write_export(tmp_path / "export", source="<b>by hand</b>"))


def test_markup_in_data_is_shown(export: Export):
    assert "&lt;b&gt;by hand&lt;/b&gt;" in top_bar("user", export) and "<b>by hand" not in top_bar("user", export)
    assert "\x1b" not in card_page(card(export, "102"))


def test_history_is_spans_of_one_tag(export: Export):
    spans = [(one.value, one.begin, one.end) for one in card(export, "101").history if one.tag_id == "overdue"]
    assert spans == [("overdue", "2017-09-12", "2017-09-14"), (None, "2017-09-14", None)]
    page = card_page(card(export, "101"))
    assert "overdue: 12 Sep 2017 to 14 Sep 2017" in page


def test_nothing_published_and_a_damaged_generation_get_a_kind_word(tmp_path: Path, export: Export):
    found, said = open_export(tmp_path / "nowhere")
    assert found is None and "Nothing to show yet" in said
    (tmp_path / "current").symlink_to("export")
    (export.folder / "tags.parquet").write_bytes(b"")
    found, said = open_export(tmp_path)
    assert found is None and "can not be shown" in said


def test_users_offered_are_those_like_that_and_an_unknown_one_is_told(export: Export):
    assert offered(export, "champions", EVERYBODY, "") == (["101"], "101")
    assert offered(export, EVERYBODY, EVERYBODY, "10") == (["101", "102", "103"], "101")
    assert offered(export, EVERYBODY, "lapsed", "") == ([], None)
    assert asked_for(export, "102") == ("102", "")
    assert asked_for(export, "x")[0] is None and "user 'x' has no event" in asked_for(export, "x")[1]


def test_plane_keeps_the_two_widest_directions():
    """Points on a cross: four units along the second axis, one along the first, nothing along the third."""
    vectors = np.array([[1, 0, 0], [-1, 0, 0], [0, 4, 0], [0, -4, 0]], dtype=float)
    assert np.allclose(np.abs(plane(vectors)), [[0, 1], [0, 1], [1, 0], [1, 0]], atol=0.02)
    assert np.allclose(plane(np.zeros((3, 2))), 0)


def test_segments_are_the_published_ones_where_there_are_some(export: Export):
    pl.DataFrame({"user_id": ["101", "102"], "segment_id": [1, 2], "segment": ["big", "small"]}).write_parquet(
        export.folder / "segments.parquet"
    )
    pl.DataFrame(
        {
            "segment_id": [1, 2],
            "segment": ["big", "small"],
            "traits": ["much (2.0x)", None],
            "users": [1, 1],
            "share": [0.5, 0.5],
        }
    ).write_parquet(export.folder / "segment_sizes.parquet")
    pl.DataFrame(
        {
            "days_before": [7, 28, 28],
            "from_segment": ["big", "small", None],
            "to_segment": ["big", "big", "small"],
            "users": [9, 1, 1],
        }
    ).write_parquet(export.folder / "segment_flows.parquet")
    found = segment_map(export)
    assert dict(found.users.select("user_id", "segment").iter_rows()) == {"101": "big", "102": "small", "103": "in none"}
    assert found.flow_days == 28 and found.flows.rows() == [("in none", "small", 1), ("small", "big", 1)]
    assert "small → big: 1 user<" in segments_page(found)


def test_a_model_card_is_read_back_and_its_curves_drawn(export: Export):
    text = "# m\n\n## Calibration\n\nWords.\n\n| head | told | seen | count |\n|---|---|---|---|\n| churn | 0.1 | 0.2 | 50 |\n"
    figures = parts(text)
    assert reliability(figures["Calibration"]) == {"churn": [(0.1, 0.2, 50)]}
    assert figures["Calibration"].words == ("Words.",)
    assert "told 10.0%, seen 20.0%, of 50" in model_page(export, figures)
    assert "No figures here" in model_page(export, {})


def test_sql_reads_the_export_and_nothing_else(export: Export, tmp_path: Path):
    assert answer(export, "select count(*) as n from tags").item() == 4
    secret, copied = tmp_path / "secret.txt", tmp_path / "copied.csv"
    secret.write_text("not of the export")
    for question in (f"select * from read_text('{secret}')", "select nothing", f"copy tags to '{copied}'"):
        with pytest.raises(PortraitError):
            answer(export, question)
    assert not copied.exists()
