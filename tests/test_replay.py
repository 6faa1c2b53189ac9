"""A replay tells the source's past day by day, and in the end the home holds what landing it all at once gives."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain
from pathlib import Path

import polars as pl
import pytest

from portrait_assets import columns as c
from portrait_assets import operations, sources
from portrait_assets import replay as replaying
from portrait_assets.assets.daily import rebuild_undated, write_days
from portrait_assets.automation import settled_files
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home, open_home, source_days
from portrait_assets.replay import LandingFolder, LiveService, plan, target_of
from portrait_assets.settings import PROJECT_DIR, Settings
from tests.small_world import NOW, event, write_lines, write_mapping

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 20)
BEGIN = date(2024, 1, 11)
CONTENT = (
    "source, event_key, event_version, is_deletion, event_time, local_time, user_id, event_type, item_id, session_id, "
    "quantity_milli, amount_cents, discount_cents, coupon_cents, rating, text, place_id, campaign_id, event_date"
)
EXAMPLES = ("online_shop", "marketplace", "website")


@pytest.fixture(scope="module")
def mapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of twenty days: an event a day but for one silent day, corrections, a deletion, odd words and odd times."""
    folder = tmp_path_factory.mktemp("shop")
    mapping = write_mapping(folder, FIRST, LAST)
    days = [FIRST + timedelta(days=n) for n in range(20) if n != 14]
    events = [event(f"a{n}", "ann", f"{day} 10:00:00.123456", amount=n + 0.01) for n, day in enumerate(days)]
    events += [
        event("a2", "ann", "2024-01-16 09:00", amount=99),  # corrects a2, without saying which version is newer
        event("b1", "bob", "2024-01-13 09:00", rating=4.35, kind="review"),
        event("b1", "bob", "2024-01-12 09:00", rating=1e-7, kind="review", version=2),
        event("b2", "bob", "2024-01-12 23:59:59.999999", session='it\'s "quoted" \\ ünï|code'),
        event("b2", "bob", "2024-01-18 08:00", deleted=True, version=1),
        event("c1", "cat", "2024-01-12 08:00", told="2024-01-14 08:00"),
        event("x", None, "2024-01-12 08:00"),
    ]
    write_lines(folder / "events.ndjson", events)
    return mapping


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, mapping: Path) -> Home:
    """The home where the shop's own files landed at once."""
    return land_whole(home_of(tmp_path_factory.mktemp("whole"), mapping))


def home_of(tmp_path: Path, mapping: Path, name: str = "home") -> Home:
    return open_home(Settings(home=tmp_path / name, threads=1), source=str(mapping))


def deliver(home: Home, first: date | None = BEGIN, last: date | None = None, land: bool = True, **lateness) -> Home:
    """Plan, replay into the landing folder as fast as possible, and land what lies there."""
    folder = home.settings.landing_dir
    home = replaying.replay(plan(home, first, last, **lateness), LandingFolder(folder), 0, refresh=False)
    return operations.ingest(home, settled_files(folder))[0] if land and folder.exists() else home


def landed(home: Home, columns: str = CONTENT, table: str = "raw.events") -> pl.DataFrame:
    with home.warehouse.open("look") as session:
        return session.frame(f"select {columns} from {table} order by all")


def land_whole(home: Home) -> Home:
    with home.warehouse.open("land") as session:
        sources.land(session.connection, home.source, NOW)
    return home


def delivered(home: Home) -> dict[str, list[str]]:
    """Day -> the keys of its file."""
    files = sorted(home.settings.landing_dir.glob("canonical-*.ndjson"))
    return {
        file.stem.removeprefix("canonical-"): [json.loads(line)["event_key"] for line in file.read_text().splitlines()]
        for file in files
    }


# ---------------------------------------------------------------------------------------------------- the same in the end


@pytest.mark.parametrize("lateness", [{}, {"late_share": 0.5, "late_days": 4}, {"late_share": 1.0, "late_days": 30, "seed": 3}])
def test_keys_and_events_are_those_of_landing_at_once(tmp_path: Path, mapping: Path, whole: Home, lateness: dict):
    home = deliver(home_of(tmp_path, mapping), **lateness)
    assert landed(home).equals(landed(whole))
    for table in ("raw.items", "raw.attributes"):
        assert landed(home, "*", table).equals(landed(whole, "*", table)), table
    assert landed(home, "sum(rows_duplicate) as told_twice", "raw.batches")["told_twice"].to_list() == [0]


def test_without_lateness_even_the_time_of_learning_is_the_same(tmp_path: Path, mapping: Path, whole: Home):
    home = deliver(home_of(tmp_path, mapping))
    assert landed(home, f"{CONTENT}, ingested_at").equals(landed(whole, f"{CONTENT}, ingested_at"))


@pytest.mark.parametrize("seed", range(3))
def test_the_same_version_of_a_key_wins_however_late_it_comes(tmp_path: Path, mapping: Path, whole: Home, seed: int):
    def clean(home: Home) -> pl.DataFrame:
        with home.warehouse.open("clean") as session:
            for table in (c.CLEAN_IDENTITIES, c.CLEAN_ITEMS):
                rebuild_undated(session, table)
            write_days(session, home, c.CLEAN_EVENTS, home.days)
            return session.frame("select * exclude (ingested_at, batch_seq) from clean.events order by all")

    home = deliver(home_of(tmp_path, mapping), late_share=0.7, late_days=9, seed=seed)
    assert clean(home).equals(clean(whole)) and clean(home).height == 21


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_works_for_any_source_through_its_mapping(tmp_path: Path, name: str):
    mapping = PROJECT_DIR / "examples" / f"{name}.toml"
    home, whole = home_of(tmp_path, mapping), land_whole(home_of(tmp_path, mapping, "whole"))
    home = deliver(home, source_days(home.source).start + timedelta(days=1), late_share=0.5, late_days=3)
    assert landed(home).equals(landed(whole)) and not landed(home).is_empty()


def test_equal_rows_that_are_distinct_events_stay_distinct(tmp_path: Path):
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "shop.toml").write_text(
        'name = "shop"\ntimes = "utc"\n[tables.lines]\nfiles = "*.csv"\n[[events]]\nfrom = "lines"\nduplicates = "distinct"\n'
        'event_time = "at"\nuser_id = "who"\nevent_type = "view"\n'
    )
    (shop / "lines.csv").write_text("at,who\n2024-01-01 10:00,ann\n" + "2024-01-02 10:00,ann\n" * 3)
    home = deliver(home_of(tmp_path, shop / "shop.toml"), date(2024, 1, 2))
    assert landed(home).equals(landed(land_whole(home_of(tmp_path, shop / "shop.toml", "whole"))))
    assert landed(home).height == 4


# ------------------------------------------------------------------------------------------------------ what is known when


def test_a_home_that_is_replayed_knows_what_was_delivered_and_no_more(tmp_path: Path, mapping: Path):
    home = deliver(home_of(tmp_path, mapping), last=date(2024, 1, 12))
    assert landed(home)["event_date"].max() == date(2024, 1, 12)
    assert str(home.days) == "2024-01-01 to 2024-01-12"
    with home.warehouse.open("look") as session:
        assert not sources.pending(session.connection, home.landed_whole)
    with pytest.raises(PortraitError, match="not delivered yet"):
        open_home(home.settings, through=date(2024, 1, 13))


def test_a_file_holds_what_was_learnt_on_its_day(tmp_path: Path, mapping: Path):
    files = delivered(deliver(home_of(tmp_path, mapping)))
    assert files["2024-01-12"] == ["events|a11", "events|b2", "events|b1"]  # a newer version comes after an older one
    assert "events|c1" in files["2024-01-14"]  # the source says itself that it learnt this two days later
    assert "2024-01-15" not in files  # nothing happened
    assert set(files) == {f"2024-01-{day}" for day in range(11, 21) if day != 15}


def test_late_events_are_drawn_by_the_seed_and_all_are_out_at_the_end(tmp_path: Path, mapping: Path):
    homes = [
        deliver(home_of(tmp_path, mapping, name), land=False, late_share=0.5, late_days=3, seed=seed)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    ]
    one, same, other = map(delivered, homes)
    assert one == same != other
    assert sorted(chain(*one.values())) == sorted(chain(*other.values()))
    lines = [json.loads(line) for file in homes[0].settings.landing_dir.iterdir() for line in file.read_text().splitlines()]
    waits = {
        line["event_key"]: (date.fromisoformat(line["ingested_at"][:10]) - date.fromisoformat(line["event_time"][:10])).days
        for line in lines
        if line["event_key"].startswith("events|a") and line["event_key"] != "events|a2"
    }
    assert set(waits.values()) <= {0, 1, 2, 3} and 0 < sum(wait > 0 for wait in waits.values()) < len(waits)


def test_the_files_are_whole_and_settled_as_soon_as_they_are_seen(tmp_path: Path, mapping: Path):
    home = deliver(home_of(tmp_path, mapping), land=False)
    files = sorted(home.settings.landing_dir.iterdir())
    assert settled_files(home.settings.landing_dir) == files and not any(file.name.startswith(".") for file in files)


# ------------------------------------------------------------------------------------------------------------- cut short


class Tired:
    """A target that gives up on a day."""

    def __init__(self, folder: Path, day: date) -> None:
        self.folder, self.day = LandingFolder(folder), day

    def deliver(self, day: date, events: pl.DataFrame) -> None:
        if day == self.day:
            raise PortraitError("tired")
        self.folder.deliver(day, events)


def test_a_replay_cut_short_goes_on_as_it_was_begun(tmp_path: Path, mapping: Path):
    lateness = {"late_share": 0.5, "late_days": 4, "seed": 1}
    home = plan(home_of(tmp_path, mapping), BEGIN, None, **lateness)
    with pytest.raises(PortraitError, match="tired"):
        replaying.replay(home, Tired(home.settings.landing_dir, date(2024, 1, 16)), 0, refresh=False)
    home = open_home(home.settings)
    for other in ({"late_share": 0.1}, {"seed": 2}, {"last": date(2024, 1, 18)}, {"first": BEGIN}):
        with pytest.raises(PortraitError, match="stopped after 2024-01-15"):
            plan(home, **{"first": None, "last": None, **other})
    home = deliver(home, None)
    unbroken = deliver(home_of(tmp_path, mapping, "unbroken"), **lateness)
    assert delivered(home) == delivered(unbroken)
    assert landed(home, f"{CONTENT}, ingested_at").equals(landed(unbroken, f"{CONTENT}, ingested_at"))


def test_the_next_stretch_begins_where_the_last_one_ended(tmp_path: Path, mapping: Path, whole: Home):
    home = deliver(home_of(tmp_path, mapping), last=date(2024, 1, 14), late_share=1.0)
    with pytest.raises(PortraitError, match="next day is 2024-01-15, not 2024-01-17"):
        plan(home, date(2024, 1, 17), None)
    home = deliver(home, None, late_share=0.5)
    assert landed(home).equals(landed(whole))
    assert landed(home, "sum(rows_duplicate) as told_twice", "raw.batches")["told_twice"].to_list() == [0]
    with pytest.raises(PortraitError, match="everything is delivered"):
        plan(home, None, None)


# -------------------------------------------------------------------------------------------------------------- refusals


def test_a_home_with_the_sources_own_files_is_not_replayed(tmp_path: Path, mapping: Path):
    home = land_whole(home_of(tmp_path, mapping))
    with pytest.raises(PortraitError, match="already holds events of 'corner_shop'; a replay begins in an empty home"):
        plan(home, BEGIN, None)
    assert open_home(home.settings).replay is None


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (None, None, "--from DAY"),
        (FIRST, None, "leaves no history"),
        (date(2024, 2, 1), None, "up to 2024-01-20"),
        (BEGIN, date(2024, 1, 10), "not one of the days left"),
        (BEGIN, date(2024, 2, 1), "not one of the days left"),
    ],
)
def test_days_that_do_not_fit_are_refused_and_nothing_is_recorded(tmp_path: Path, mapping: Path, first, last, told: str):
    home = home_of(tmp_path, mapping)
    with pytest.raises(PortraitError, match=told):
        plan(home, first, last)
    assert open_home(home.settings).replay is None


def test_a_target_is_the_landing_folder_or_an_address(tmp_path: Path, mapping: Path):
    home = home_of(tmp_path, mapping)
    assert target_of(home, "landing") == LandingFolder(home.settings.landing_dir)
    assert target_of(home, "http://127.0.0.1:1") == LiveService("http://127.0.0.1:1")
    with pytest.raises(PortraitError, match="neither 'landing' nor an address"):
        target_of(home, "kafka")


# ----------------------------------------------------------------------------------------------------------- the service


@contextmanager
def service(*answers: tuple[int, dict[str, str]], rejects: str = "") -> Iterator[tuple[str, list[tuple[str, list[dict]]]]]:
    """A server that gives `answers` in turn, then 200; yields its address and what it took. It takes no event of type `rejects`."""
    taken: list[tuple[str, list[dict]]] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers = left.pop(0) if left else (200, {})
            if status == 200:
                taken.append((self.path, body))
            rejected = [{"row": n, "reason": "why not"} for n, line in enumerate(body) if line["event_type"] == rejects]
            answer = json.dumps({"accepted": len(body), "rejected": rejected}).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose events are never corrected."""
    folder = tmp_path_factory.mktemp("plain")
    mapping = write_mapping(folder, FIRST, LAST)
    days = [FIRST + timedelta(days=n) for n in range(20)]
    events = [event(f"a{n}", "ann", f"{day} 10:00:00.123456", amount=n + 0.01, quantity=1.5) for n, day in enumerate(days)]
    write_lines(folder / "events.ndjson", [*events, event("b", "bob", "2024-01-12 11:00", kind="view", item=None)])
    return mapping


def test_the_service_gets_every_event_once_with_its_key(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replaying, "POSTED_AT_ONCE", 1)
    home = plan(home_of(tmp_path, plain), BEGIN, None)
    with service((503, {"Retry-After": "0"}), (429, {"Retry-After": "0"})) as (address, taken):
        home = replaying.replay(home, LiveService(address), 0, refresh=False)
    assert {path for path, _ in taken} == {"/events"} and all(len(lines) == 1 for _, lines in taken)
    told = [line for _, lines in taken for line in lines]
    assert [line["event_id"] for line in told] == [
        "events|a10",
        "events|a11",
        "events|b",
        *(f"events|a{n}" for n in range(12, 20)),
    ]
    assert told[0] == {
        "event_id": "events|a10", "event_time": "2024-01-11T10:00:00.123456Z", "user_id": "ann", "event_type": "purchase",
        "item_id": "milk", "quantity": 1.5, "amount": 10.01,
    }  # fmt: skip
    assert told[2] == {
        "event_id": "events|b", "event_time": "2024-01-12T11:00:00.000000Z", "user_id": "bob", "event_type": "view",
    }  # fmt: skip
    assert home.replay.delivered == LAST and not home.settings.landing_dir.exists()


@pytest.mark.parametrize(
    ("answers", "rejects", "told"),
    [
        ([(200, {}), (422, {})], "", r"events of 2024-01-12 \(422\)"),
        ([], "view", "did not take 1 events of 2024-01-12.*why not"),
    ],
)
def test_a_service_that_refuses_stops_the_replay_before_that_day(tmp_path: Path, plain: Path, answers, rejects: str, told: str):
    home = plan(home_of(tmp_path, plain), BEGIN, None)
    with service(*answers, rejects=rejects) as (address, _), pytest.raises(PortraitError, match=told):
        replaying.replay(home, LiveService(address), 0, refresh=False)
    assert open_home(home.settings).replay.delivered == BEGIN


def test_corrections_are_not_posted_as_events(tmp_path: Path, mapping: Path):
    home = plan(home_of(tmp_path, mapping), BEGIN, None)
    with service() as (address, taken), pytest.raises(PortraitError, match="which the service does not take"):
        replaying.replay(home, LiveService(address), 0, refresh=False)
    assert len(taken) == 1  # the day before


def test_a_service_that_is_not_there_is_one_line(tmp_path: Path, mapping: Path):
    with service() as (address, _):
        pass
    with pytest.raises(PortraitError, match="does not answer as the service does"):
        replaying.replay(plan(home_of(tmp_path, mapping), BEGIN, None), LiveService(address), 0, refresh=False)
