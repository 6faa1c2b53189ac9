"""Dates that `sources check` asks about: few events years away from all others."""

from datetime import date, timedelta

from portrait_assets.sources import check
from portrait_assets.sources.implausible import days_apart
from tests.sources.conftest import Home

DAYS = {date(2024, 1, 1) + timedelta(days=n): 10 for n in range(30)}


def test_a_zero_epoch_and_a_day_ahead_of_the_rest_are_asked_about():
    assert days_apart(DAYS | {date(1970, 1, 5): 1, date(2026, 3, 1): 2}) == [
        "1 event of 1970-01-05, before all others, which begin on 2024-01-01: are the dates right? "
        "Every day between is one of the home; `start`, `where` or `reject` keep them out",
        "2 events of 2026-03-01, after all others, which end on 2024-01-30: are the dates right? "
        "Every day between is one of the home; `start`, `where` or `reject` keep them out",
    ]


def test_what_is_plausible_is_not_asked_about():
    assert days_apart(DAYS) == [] == days_apart({})
    assert days_apart(DAYS | {date(2023, 1, 2): 1}) == []  # 364 days
    assert days_apart(DAYS | {date(2022, 1, 1): 4}) == []  # 4 of 304 are more than one in a hundred
    assert days_apart({date(2004 + 2 * n, 1, 1): 4 for n in range(10)}) == []  # sparse throughout
    assert days_apart({date(2020, 1, 1): 1, date(2024, 1, 1): 2}) == []  # of three nobody can tell


def test_a_year_and_one_in_a_hundred_are_asked_about():
    assert len(days_apart(DAYS | {date(2023, 1, 1): 1})) == 1  # 365 days
    many = dict.fromkeys(DAYS, 40)
    assert len(days_apart(many | {date(2022, 1, 1): 12})) == 1 and days_apart(many | {date(2022, 1, 1): 13}) == []  # of 1,212
    assert len(days_apart({date(2020, 1, 1): 1, date(2024, 1, 1): 3})) == 1  # one of four


def test_several_late_days_are_one_question():
    [asked] = days_apart(DAYS | {date(2026, 1, 1): 1, date(2030, 1, 1): 2})
    assert asked.startswith("3 events of 2026-01-01 to 2030-01-01, after all others, which end on 2024-01-30")


def test_several_early_days_are_one_question():
    [asked] = days_apart(DAYS | {date(1970, 1, 1): 1, date(1999, 1, 1): 2})
    assert asked.startswith("3 events of 1970-01-01 to 1999-01-01, before all others, which begin on 2024-01-01")


def test_check_asks(home: Home):
    lines = "".join(f"2024-06-{n:02d} 10:00:00,u{n}\n" for n in range(1, 21))
    home.write("log.csv", "at,who\n1970-01-05 00:00:00,u1\n" + lines)
    mapping = (
        '[tables.log]\nfiles = "log.csv"\n[[events]]\nfrom = "log"\nevent_time = "at"\nuser_id = "who"\nevent_type = "view"\n'
    )
    report = check(home.load(mapping))
    assert not report.is_fine and report.lands
    assert any(w.startswith("1 event of 1970-01-05, before all others") for w in report.streams[0].warnings)
