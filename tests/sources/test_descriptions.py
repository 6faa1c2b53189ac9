"""What is known of items and users: of each column the value that holds, over files and streams; and rows that are rejected once."""

from datetime import datetime

import pytest

from portrait_assets.packs import load_pack
from portrait_assets.resources.sql import read_sql
from portrait_assets.sources import check
from tests.sources.conftest import Home, counts

NEVER = 10_000  # a batch after all others


def described(home: Home, what: str, columns: str, through: int = NEVER) -> list[tuple]:
    """Rows of clean.items or clean.users, of what is landed by now."""
    home.con.execute("create schema if not exists clean")
    home.con.execute(
        "create or replace view clean.identities as select distinct source, user_id as source_user_id, user_id from raw.attributes"
    )
    sql = f"select {columns} from ({read_sql(f'clean/{what}.sql', load_pack().schema)}) order by all"
    return home.con.execute(sql, {"through": through}).fetchall()


CATALOGUES = """
[tables.cats]
files = "cats*.csv"
[tables.labels]
files = "labels*.csv"
nulls = ["n/a"]
[[items]]
stream = "cats"
from = "cats"
item_id = "item"
category = "category"
name = "name"
[[items]]
stream = "labels"
from = "labels"
item_id = "item"
name = "label"
"""


def test_streams_describe_the_same_items_column_by_column(home: Home) -> None:
    home.write("cats.csv", "item,category,name\nt1,TEA,\nt2,SOAP,Soap\n")
    home.write("labels.csv", "item,label\nt1,Green tea\nt3,Bread\n")
    home.land(CATALOGUES)
    expected = [("t1", "TEA", "Green tea"), ("t2", "SOAP", "Soap"), ("t3", None, "Bread")]
    assert described(home, "items", "item_id, category, name") == expected
    home.write("cats2.csv", "item,category,name\nt1,DRINKS, \nt3,,Rye bread\n")
    assert counts(home.land(CATALOGUES)[1]) == (2, 2, 0, 0)
    expected = [("t1", "DRINKS", "Green tea"), ("t2", "SOAP", "Soap"), ("t3", None, "Rye bread")]
    assert described(home, "items", "item_id, category, name") == expected


def test_what_is_empty_white_or_a_null_text_takes_no_name_away(home: Home) -> None:
    home.write("cats.csv", "item,category,name\n")
    home.write("labels1.csv", "item,label\nt1,Green tea\n")
    home.write("labels2.csv", 'item,label\nt1,\nt1," \t"\nt1, n/a \n')
    [_, _, batch] = home.land(CATALOGUES)
    assert counts(batch) == (3, 0, 3, 0)
    assert described(home, "items", "item_id, name") == [("t1", "Green tea")]


def first_kept(mapping: str, stream: str) -> str:
    """The mapping, where the stream keeps the first."""
    return mapping.replace(f'stream = "{stream}"\n', f'stream = "{stream}"\nkeep = "first"\n')


def test_the_first_name_is_kept_over_rows_and_files_where_the_mapping_says_so(home: Home) -> None:
    """Order lines call items 'damaged' and 'check' when stock is written off."""
    home.write("cats.csv", "item,category,name\n")
    home.write("labels1.csv", "item,label\nA,\nA,blue mug\nA,BLUE MUG\nB,red mug\n")
    home.write("labels2.csv", "item,label\nB,damaged\nC,check\nC,green mug\n")
    mapping = first_kept(CATALOGUES, "labels")
    assert [counts(batch) for batch in home.land(mapping)[1:]] == [(4, 2, 2, 0), (3, 1, 2, 0)]
    assert described(home, "items", "item_id, name") == [("A", "blue mug"), ("B", "red mug"), ("C", "check")]


@pytest.mark.parametrize("order", [("cats.csv", "labels.csv"), ("labels.csv", "cats.csv")])
def test_a_name_that_is_kept_first_yields_to_a_catalogues_own_whichever_came_first(home: Home, order: tuple[str, str]) -> None:
    home.write("cats.csv", "item,category,name\nA,MUGS,Mug\nB,MUGS,\n")
    home.write("labels.csv", "item,label\nA,blue mug\nB,red mug\n")
    for name in order:
        home.land(first_kept(CATALOGUES, "labels"), [home.folder / name])
    assert described(home, "items", "item_id, name") == [("A", "Mug"), ("B", "red mug")]


def test_a_mapping_that_keeps_another_value_than_before_is_followed(home: Home) -> None:
    home.write("cats.csv", "item,category,name\n")
    home.write("labels1.csv", "item,label\nA,blue mug\nB,red mug\n")
    home.write("labels2.csv", "item,label\nB,damaged\n")
    home.land(CATALOGUES)
    names = "item_id, name"
    assert described(home, "items", names) == [("A", "blue mug"), ("B", "damaged")]
    batches = home.land(first_kept(CATALOGUES, "labels"))
    assert batches[1].rows_accepted > 0  # so a refresh finds it
    assert described(home, "items", names) == [("A", "blue mug"), ("B", "red mug")]
    assert described(home, "items", names, through=3) == [("A", "blue mug"), ("B", "damaged")]
    assert sum(batch.rows_accepted for batch in home.land(CATALOGUES)) > 0
    assert described(home, "items", names) == [("A", "blue mug"), ("B", "damaged")]


def test_the_first_that_was_said_is_kept_though_only_a_later_file_is_read_anew(home: Home) -> None:
    home.write("cats.csv", "item,category,name\n")
    given = home.write("labels-old.csv", "item,label\nA,blue mug\n")
    home.land(CATALOGUES, [given])
    given.unlink()
    home.write("labels1.csv", "item,label\nA,damaged\n")
    home.land(CATALOGUES)
    home.land(first_kept(CATALOGUES, "labels"))
    home.con.execute("update raw.items set ingested_at = null")  # as if all were own files
    assert described(home, "items", "name") == [("blue mug",)]


def test_what_is_kept_first_can_still_be_read_otherwise(home: Home) -> None:
    home.write("cats.csv", "item,category,name\n")
    home.write("labels.csv", "item,label\nA,blue mug\n")
    mapping = first_kept(CATALOGUES, "labels")
    home.land(mapping)
    home.land(mapping.replace('"label"', '"upper(label)"'))
    assert described(home, "items", "name") == [("BLUE MUG",)]


PEOPLE = """
[tables.people]
files = "people*.csv"
[users]
stream = "people"
from = "people"
user_id = "id"
age = "age"
region = "home"
"""


def test_a_users_first_region_is_kept_where_the_mapping_says_so(home: Home) -> None:
    home.write("people1.csv", "id,age,home\nann,,Kent\n")
    home.write("people2.csv", "id,age,home\nann,30,Essex\n")
    home.land(first_kept(PEOPLE, "people"))
    assert described(home, "users", "user_id, age, region") == [("ann", "30", "Kent")]


def test_a_user_of_whom_nothing_is_said_is_accepted_and_known(home: Home) -> None:
    home.write("people.csv", "id,age,home\nann,,\nbob,,\nann,,\n")
    [batch] = home.land(PEOPLE)
    assert counts(batch) == (3, 2, 1, 0)
    assert described(home, "users", "user_id, age, region") == [("ann", None, None), ("bob", None, None)]
    home.write("people2.csv", "id,age,home\nann,,\nbob,40,\n")
    assert counts(home.land(PEOPLE)[1]) == (2, 1, 1, 0)
    assert described(home, "users", "user_id, age") == [("ann", None), ("bob", "40")]
    alone = PEOPLE.replace('age = "age"\nregion = "home"\n', "")
    assert check(home.load(alone)).is_fine


DATED = PEOPLE + 'ingested_at = "learnt"\n'


def test_where_the_source_says_when_it_learnt_the_newest_holds_whatever_came_last(home: Home) -> None:
    home.write(
        "people1.csv",
        "id,age,home,learnt\nann,30,Kent,2020-01-03\nann,31,Essex,2020-01-05\nann,32,Kent,2020-01-04\nbob,1,,2020-01-01\n",
    )
    assert counts(home.land(DATED)[0]) == (4, 4, 0, 0)
    assert home.rows("ingested_at, value", "attributes where user_id = 'ann' and attribute = 'age'") == [
        (datetime(2020, 1, 3), "30"), (datetime(2020, 1, 4), "32"), (datetime(2020, 1, 5), "31"),
    ]  # fmt: skip
    home.write("people2.csv", "id,age,home,learnt\nann,33,,2020-01-02\nbob,,,2020-01-02\n")
    home.land(DATED)
    assert described(home, "users", "user_id, age, region") == [("ann", "31", "Essex"), ("bob", "1", None)]


def test_what_a_source_learnt_is_news_where_it_differs_from_what_it_knew_then(home: Home) -> None:
    """Told in any order: Kent since the 1st, Essex since the 5th."""
    header = "id,age,home,learnt\n"
    home.write("people1.csv", f"{header}ann,,Kent,2020-01-01\nann,,Essex,2020-01-05\n")
    home.write("people2.csv", f"{header}ann,,Kent,2020-01-03\n")
    home.write("people3.csv", f"{header}ann,,Essex,2020-01-04\n")
    home.write("people4.csv", f"{header}ann,,Essex,2020-01-09\n")
    assert [counts(batch)[1] for batch in home.land(DATED)] == [2, 0, 1, 0]
    goods = CATALOGUES.replace('name = "label"', 'name = "label"\ningested_at = "learnt"')
    home.write("cats.csv", "item,category,name\n")
    for number, rows in enumerate((["Mug", "2020-01-01", "Cup", "2020-01-05"], ["Mug", "2020-01-03"], ["Cup", "2020-01-04"])):
        lines = [f"A,{name},{day}" for name, day in zip(rows[::2], rows[1::2], strict=True)]
        home.write(f"labels{number}.csv", "\n".join(["item,label,learnt", *lines]) + "\n")
    assert [counts(batch)[1] for batch in home.land(goods) if batch.stream == "labels"] == [2, 0, 1]


def test_a_row_that_was_learnt_tomorrow_is_rejected(home: Home) -> None:
    home.write("people.csv", "id,age,home,learnt\nann,30,Kent,2029-01-03\nbob,30,Kent,1960-01-01\n")
    [batch] = home.land(DATED)
    assert counts(batch) == (2, 0, 0, 2)
    assert [reason.split(" is ")[1] for reason in home.reasons()] == ["in the future", "before 1970"]


# ----------------------------------------------------------------------------------------------------- a row is rejected once

LINES = """
[tables.lines]
files = "lines.csv"
numbers = ["qty", "weight"]
[[events]]
from = "lines"
event_time = "at"
user_id = "who"
event_type = "purchase"
item_id = "what"
quantity = "qty"
[items]
from = "lines"
item_id = "what"
name = "name"
size = "weight"
[users]
from = "lines"
user_id = "who"
region = "home"
"""
HEADER = "at,who,what,qty,name,weight,home\n"
FINE = "2020-06-01,ann,tea,1,Tea,5,Kent\n"


def test_a_row_that_several_streams_read_is_rejected_by_one_of_them(home: Home) -> None:
    no_user, no_item, neither = (
        FINE.replace("ann", ""),
        FINE.replace("tea", "").replace("06-01", "06-02"),
        "2020-06-03,,,1,,,\n",
    )
    home.write("lines.csv", HEADER + FINE + no_user + no_item + neither + 'x,"y"z\n')
    items, users, lines = home.land(LINES)
    assert home.rows("stream, row_number, left(reason, 16)", "quarantine") == [
        ("lines", 2, "user_id is empty"), ("lines", 4, "user_id is empty"), ("lines", 5, "line 6: a quote "),
    ]  # fmt: skip
    assert (counts(lines), lines.rows_skipped) == ((5, 2, 0, 3), 0)
    assert (counts(items), items.rows_skipped) == ((2, 1, 1, 0), 3)
    assert (counts(users), users.rows_skipped) == ((2, 1, 1, 0), 3)


def test_an_id_that_is_unreadable_for_all_is_rejected_once_too(home: Home) -> None:
    home.write("lines.csv", HEADER.replace("who", "number") + "2020-06-01,one,tea,1,Tea,5,Kent\n")
    home.land(LINES.replace('"who"', '"number"').replace('["qty", "weight"]', '["qty", "weight", "number"]'))
    assert home.rows("stream", "quarantine") == [("lines",)]


def test_what_only_a_description_reads_is_rejected_by_it(home: Home) -> None:
    home.write("lines.csv", HEADER + FINE.replace(",5,", ",heavy,") + FINE.replace(",1,", ",many,").replace(",5,", ",heavy,"))
    home.land(LINES)
    assert home.rows("stream, row_number, left(reason, 10)", "quarantine") == [
        ("items", 1, "weight 'he"), ("items", 2, "weight 'he"), ("lines", 2, "qty 'many'"),
    ]  # fmt: skip


def test_of_two_descriptions_the_first_rejects_and_one_alone_rejects_its_own(home: Home) -> None:
    home.write("cats.csv", "item,category,name\n,TEA,Tea\n")
    home.write("labels.csv", "item,label\n,Tea\n")
    mapping = CATALOGUES + '[[items]]\nstream = "sizes"\nfrom = "cats"\nitem_id = "item"\nsize = "category"\n'
    batches = {batch.stream: (*counts(batch), batch.rows_skipped) for batch in home.land(mapping)}
    assert batches == {"cats": (1, 0, 0, 1, 0), "labels": (1, 0, 0, 1, 0), "sizes": (0, 0, 0, 0, 1)}


def test_two_streams_of_events_reject_a_malformed_line_once(home: Home) -> None:
    home.write("lines.csv", HEADER + FINE + "x\n" + FINE.replace("ann", ""))
    second = LINES.split("[[events]]")[1].split("[items]")[0]
    mapping = LINES.replace('quantity = "qty"\n', 'quantity = "qty"\nwhere = "qty > 0"\n', 1)
    home.land(mapping + f'[[events]]{second}stream = "returns"\nwhere = "qty < 0"\n')
    assert home.rows("stream, row_number", "quarantine") == [("lines", 2), ("lines", 3)]
