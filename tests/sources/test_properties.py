"""What must hold for any content at all."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sources.conftest import Home

FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

MAPPING = """
[tables.log]
files = "log*.csv"
numbers = ["n"]
[[events]]
from = "log"
event_time = "at"
user_id = "who"
event_type = "view"
quantity = "n"
duplicates = "{duplicates}"
where = "who is distinct from 'nobody'"
"""

times = st.sampled_from(["2020-06-01", "2020-06-01 10:00", "31/02/2017", "", "1066-10-14", "9999-01-01", "infinity", "x"])
people = st.sampled_from(["ann", "bob", "", " ", "nobody", "Zoë", "a'b", "a;b"])
numbers = st.sampled_from(["1", "1.5", "-1", "", "1e400", "nan", "x", "1,5"])
tidy_lines = st.tuples(times, people, numbers).map(lambda fields: f'{fields[0]},{fields[1]},"{fields[2]}"')
messy_lines = st.text(alphabet="ab1-:,\"' \t\r\x00\x01é", max_size=20)
messy_files = st.lists(st.one_of(tidy_lines, messy_lines), max_size=12).map(
    lambda lines: "\n".join(["at,who,n", *lines]) + "\n"
)
unquoted = st.lists(st.text(alphabet="ab1-:,. ", min_size=1, max_size=12).filter(str.strip), max_size=12)


HOMES = tempfile.TemporaryDirectory(prefix="portrait-sources-")  # one an example, all gone with the process


def fresh_home() -> Home:
    return Home(Path(tempfile.mkdtemp(dir=HOMES.name)), in_memory=True)


@FEW
@given(content=messy_files, duplicates=st.sampled_from(["same", "distinct"]))
def test_rows_in_are_accepted_duplicate_or_rejected_and_twice_is_once(content: str, duplicates: str) -> None:
    home = fresh_home()
    mapping = MAPPING.format(duplicates=duplicates)
    home.write("log.csv", content)
    [batch] = home.land(mapping)
    assert batch.rows_in == batch.rows_accepted + batch.rows_duplicate + batch.rows_rejected
    assert min(batch.rows_accepted, batch.rows_duplicate, batch.rows_rejected, batch.rows_skipped) >= 0
    assert len(home.rows("*")) == batch.rows_accepted
    assert len(home.rows("*", "quarantine")) == batch.rows_rejected
    assert all(reason for reason in home.reasons())
    before = home.rows("*"), home.rows("*", "quarantine"), home.rows("*", "batches")
    home.land(mapping)
    home.write("log-again.csv", content)
    home.land(mapping)
    assert before == (home.rows("*"), home.rows("*", "quarantine"), home.rows("*", "batches"))


@FEW
@given(lines=unquoted, ends=st.lists(st.sampled_from(["\n", "\r\n"]), min_size=13, max_size=13))
def test_no_line_is_lost_however_lines_end(lines: list[str], ends: list[str]) -> None:
    home = fresh_home()
    home.write("log.csv", "".join(line + end for line, end in zip(["at,who,n", *lines], ends, strict=False)))
    [batch] = home.land(MAPPING.format(duplicates="same"))
    assert batch.rows_in + batch.rows_skipped == len(lines)


@settings(FEW, max_examples=12)
@given(lines=st.lists(tidy_lines, max_size=10), cut=st.integers(0, 10))
def test_an_overlapping_export_adds_what_it_adds_whatever_came_before(lines: list[str], cut: int) -> None:
    mapping = MAPPING.format(duplicates="distinct")
    parts, whole = fresh_home(), fresh_home()
    for n, upto in enumerate([cut, len(lines)]):
        parts.write(f"log{n}.csv", "\n".join(["at,who,n", *lines[:upto]]) + "\n")
    whole.write("log.csv", "\n".join(["at,who,n", *lines]) + "\n")
    parts.land(mapping)
    whole.land(mapping)
    told = "event_key, event_time, user_id, quantity_milli"
    assert parts.rows(told) == whole.rows(told)
