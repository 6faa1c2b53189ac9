"""CSV that nothing runs, from which every text can be read back."""

import csv
import io

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_assets.spreadsheet import csv_text
from tests.hostile import IDS

texts = st.text(alphabet="=+-@'\t\r\n\",; a1＝＋－＠|", max_size=6) | st.sampled_from(IDS) | st.none()


def test_cells_that_a_spreadsheet_would_run_are_texts_and_all_else_is_as_it_was():
    frame = pl.DataFrame({"user_id": ["=1+1", "-5", "a=b", None], "spend": [-5, 2, 3, None], "share": [-0.5, 1.0, 2.0, None],
                          "categories": [["@x", "-y"], ["-y"], ["a"], None]})  # fmt: skip
    assert csv_text(frame) == ("user_id,spend,share,categories\n'=1+1,-5,-0.5,'@x | -y\n'-5,2,1.0,'-y\na=b,3,2.0,a\n,,,\n")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_whatever_a_text_is_it_runs_nothing_and_reads_back(rows: list[tuple[str | None, str | None]]):
    frame = pl.DataFrame(rows, schema={"one": pl.String, "other": pl.String}, orient="row")
    read = list(csv.reader(io.StringIO(csv_text(frame), newline="")))
    assert len(read) == 1 + len(rows)
    for row, cells in zip(rows, read[1:], strict=True):
        for text, cell in zip(row, cells, strict=True):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
            assert cell.removeprefix("'") == (text or "")
