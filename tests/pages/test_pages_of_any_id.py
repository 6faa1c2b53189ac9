"""Pages about users whose ids hold markup, and links that lead back to each."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from portrait_assets.pages.card_page import card_page
from portrait_assets.pages.html import user_link
from portrait_assets.reading import Export
from portrait_assets.reading.card import card
from portrait_assets.reading.choosing import EVERYBODY, asked_for, offered
from tests.hostile import IDS
from tests.reading.conftest import write_export


@pytest.mark.parametrize("user", IDS)
def test_a_link_to_a_user_leads_to_that_user_and_shows_the_id(user: str):
    [(address, said)] = re.findall(r'^<a href="([^"<>]*)" target="_self">([^<>]*)</a>$', user_link(user))
    parts = urlsplit(unescape(address))
    assert (parts.path, parse_qs(parts.query, strict_parsing=True), parts.fragment) == ("/", {"user": [user]}, "")
    assert unescape(said) == user


def test_each_id_is_offered_and_its_card_holds_no_markup_of_its_own(tmp_path: Path):
    folder = write_export(tmp_path / "export")
    for name in ("portraits", "tags", "recommendations"):
        frame = pl.read_parquet(folder / f"{name}.parquet").filter(pl.col("user_id") == "101")
        texts = [
            column
            for column, type_ in frame.schema.items()
            if type_ == pl.String and column in ("user_id", "item_id", "item_name", "category")
        ]
        pl.concat(frame.with_columns(pl.lit(user).alias(column) for column in texts) for user in IDS).write_parquet(
            folder / f"{name}.parquet"
        )
    export = Export.open(folder, verify=False)
    assert set(offered(export, EVERYBODY, EVERYBODY, "")[0]) == set(IDS)
    plain = card_page(card(export, "ann bob"))
    for user in IDS:
        assert asked_for(export, user) == (user, "")
        assert user in offered(export, EVERYBODY, EVERYBODY, user)[0]
        page = card_page(card(export, user))
        assert re.findall(r"</?[a-z]+", page) == re.findall(r"</?[a-z]+", plain)
