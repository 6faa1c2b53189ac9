"""Whatever comes, in whatever order, however often it breaks off: the tables end as one recomputation from raw makes them."""

import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from portrait_assets import columns as c
from portrait_assets.lineage import stale_days
from portrait_assets.resources.session import Session
from tests.small_world import World, event
from tests.test_world_properties import KNOWN, bodies, result, same, zones

FIRST, LAST = date(2024, 1, 20), date(2024, 2, 9)
days = st.integers(0, (LAST - FIRST).days).map(lambda offset: FIRST + timedelta(days=offset))


class Crash(Exception):
    """Stands for a process that goes away in the middle of its work."""


class UntidyWorld(RuleBasedStateMachine):
    """A shop that tells late, corrects itself, takes back, repeats itself and is interrupted."""

    @initialize(first=st.lists(bodies(), min_size=1, max_size=12), zone=zones)
    def open(self, first: list[dict], zone: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.opened = World(Path(self.folder.name), FIRST, LAST, declared=False, zone=zone).open()
        self.world = self.opened.__enter__()
        self.told: list[dict] = []
        self.tell([event(f"first{n}", **body) for n, body in enumerate(first)])

    def tell(self, lines: list[dict]) -> int:
        """Land a file; every row of it is accounted for. Returns how many were accepted."""
        batch = self.world.land(*lines)
        assert batch.rows_in == len(lines) == batch.rows_accepted + batch.rows_duplicate + batch.rows_rejected
        self.told += lines
        return batch.rows_accepted if batch.is_new else 0

    def holds(self, line: dict) -> bool:
        """Whether what is told is what holds of its event by now, or an older version of it."""
        told = [(each["version"] or 0, place, each) for place, each in enumerate(self.told) if each["id"] == line["id"]]
        version, _, newest = max(told, key=lambda telling: telling[:2])
        return newest == line or (line["version"] or 0) < version

    @rule(told=st.lists(bodies(), min_size=1, max_size=5))
    def land(self, told: list[dict]) -> None:
        self.tell([event(f"{len(self.told)}-{n}", **body) for n, body in enumerate(told)])

    @rule(body=bodies(), offset=st.integers(1, 9), is_before=st.booleans())
    def land_outside(self, body: dict, offset: int, is_before: bool) -> None:
        """An event of a day before all others or after them: the home covers it from then on."""
        day = FIRST - timedelta(days=offset) if is_before else LAST + timedelta(days=offset)
        self.tell([event(f"{len(self.told)}-outside", **(body | {"time": f"{day} 10:00:00"}))])
        assert self.world.home.days.start <= day <= self.world.home.days.end

    @rule(body=bodies(), version=st.integers(1, 3), data=st.data())
    def correct(self, body: dict, version: int, data: st.DataObject) -> None:
        """Another version of an event, maybe of another user and day, maybe older than the one that holds."""
        self.tell([event(data.draw(st.sampled_from(self.told))["id"], **body, version=version)])

    @rule(data=st.data(), version=st.integers(1, 4))
    def retract(self, data: st.DataObject, version: int) -> None:
        self.tell([{**data.draw(st.sampled_from(self.told)), "version": version, "deleted": True}])

    @rule(data=st.data(), count=st.integers(1, 3))
    def repeat(self, data: st.DataObject, count: int) -> None:
        """What was told is told again, in another file and twice in it: nothing new where it holds, and once where it does not."""
        line = data.draw(st.sampled_from(self.told))
        expected = 0 if self.holds(line) else 1
        assert self.tell([line] * count) == expected

    @rule(item=st.sampled_from(["milk", "ufo"]), category=st.sampled_from(["novelty", "dairy"]))
    def describe(self, item: str, category: str) -> None:
        self.world.describe({"item": item, "category": category})

    @rule(user=st.sampled_from(["ann", "dan"]), age=st.sampled_from(["18-24", "65+", None]))
    def declare(self, user: str, age: str | None) -> None:
        self.world.declare({"user_id": user, "age": age})

    @rule()
    def refresh(self) -> None:
        self.world.refresh()

    @rule(start=days, length=st.integers(0, 9))
    def backfill(self, start: date, length: int) -> None:
        """Any days, whole, whether due or not."""
        self.world.build(start, min(start + timedelta(days=length), LAST))

    @rule(step=st.integers(0, 12), after=st.booleans())
    def crash(self, step: int, after: bool) -> None:
        """A refresh that goes away before or after one of its writes; the process that follows finds what was committed."""
        remember, steps = Session.remember, iter(range(10_000))

        def remembering(session: Session, *arguments: object) -> None:
            dies = next(steps) == step
            if dies and not after:
                raise Crash
            remember(session, *arguments)  # type: ignore[arg-type]
            if dies:
                raise Crash

        with mock.patch.object(Session, "remember", remembering), suppress(Crash):
            self.world.refresh()

    @precondition(lambda self: len(self.told) > 3)
    @rule()
    def check(self) -> None:
        """After a refresh nothing is due, and everything is as a recomputation makes it, to the last bit."""
        self.world.refresh()
        due = stale_days(self.world.session, self.world.home, self.world.home.days)
        assert not any(due[table.name] for table in KNOWN)
        refreshed = result(self.world)
        same(refreshed, result(self.world.build()))
        undated = [self.world.table(table) for table in (c.CLEAN_IDENTITIES, c.CLEAN_ITEMS, c.CLEAN_USERS)]
        assert all(len(frame) for frame in undated)

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            try:
                self.check()
            finally:
                self.opened.__exit__(None, None, None)
                self.folder.cleanup()


def untidy(sequences: int) -> None:
    run_state_machine_as_test(
        UntidyWorld,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            phases=(Phase.generate,),  # shown as found: shrinking takes minutes
        ),
    )


def test_fifty_untidy_worlds_end_as_a_recomputation():
    untidy(50)


@pytest.mark.slow
def test_five_hundred_untidy_worlds_end_as_a_recomputation():
    untidy(500)
