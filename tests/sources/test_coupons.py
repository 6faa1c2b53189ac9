"""`[coupons]` of a mapping: which items each coupon is for, read from the source's own files."""

from pathlib import Path

import pytest

from portrait_assets.errors import PortraitError
from portrait_assets.sources import coupons_of, load

MAPPING = """\
name = "shop"
[tables.events]
files = "events.csv"
[tables.coupons]
files = "coupons*.csv"
[tables.offers]
files = "offers.csv"
[events]
from = "events"
event_time = "time"
user_id = "user"
event_type = "purchase"
[coupons]
from = "coupons"
lookups.offer = { table = "offers", on = "code" }
where = "kind <> 'void'"
coupon_id = "code"
item_id = "item"
campaign_id = "offer.campaign"
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    (tmp_path / "coupons-1.csv").write_text("code,item,kind\nA,milk,x\nA,milk,x\nA,bread,x\nB,,x\nC,soap,void\n")
    (tmp_path / "coupons-2.csv").write_text("code,item,kind\nB,soap,x\n")
    (tmp_path / "offers.csv").write_text("code,campaign\nA,7\n")
    file = tmp_path / "shop.toml"
    file.write_text(MAPPING)
    return file


def test_each_pair_once_of_all_files_with_its_campaign(mapping: Path):
    assert coupons_of(load(mapping)).rows() == [("B", "soap", None), ("A", "bread", "7"), ("A", "milk", "7")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (MAPPING[MAPPING.index("[coupons]") :], "", r"shop\.toml: declares no coupons; add \[coupons\]"),
        ('from = "coupons"', 'from = "coupon"', r"coupons from 'coupon': no \[tables\.coupon\]; nearest is 'coupons'"),
        (
            'coupon_id = "code"',
            'coupon_id = "cod"',
            r"stream 'coupons', coupon_id: no column 'cod' in coupons; nearest is 'code'",
        ),
        ('coupon_id = "code"', 'upc = "code"', r"unknown key 'upc'; known here: .*coupon_id"),
        ('"coupons*.csv"', '"vouchers.csv"', r"\[tables\.coupons\] no file 'vouchers\.csv'"),
    ],
)
def test_what_is_wrong_is_one_line(mapping: Path, old: str, new: str, message: str):
    assert old in MAPPING
    mapping.write_text(MAPPING.replace(old, new))
    with pytest.raises(PortraitError, match=message):
        coupons_of(load(mapping))
