"""What the crash tests stand on: a shop that goes on telling, and a refresh that is killed, in processes of their own.

`python -m tests.end_to_end.crashing HOME INBOX KILLS SEED` imports the program once and never opens anything itself. Each of its
children lands and refreshes and publishes by the functions that the assets use, without Dagster, on the home's real warehouse
file, and is killed by SIGKILL at a random moment of what an undisturbed one goes through.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from portrait_assets import operations
from portrait_assets.assets.daily import refresh_path
from portrait_assets.assets.recommending import write_published
from portrait_assets.automation import settled_files
from portrait_assets.home import open_home
from portrait_assets.kernels import behaviour  # noqa: F401  imported once, not by each child: torch takes seconds
from portrait_assets.publishing import publish
from portrait_assets.resources.session import Session
from portrait_assets.settings import Settings
from tests.small_world import ITEM, event, write_lines, write_mapping

START, END = date(2024, 1, 1), date(2024, 1, 16)  # before a model can be trained
USERS = [f"user{n:03d}" for n in range(300)]  # so many that what a kill damages is seldom mended by what comes later
KINDS = ("purchase", "purchase", "view", "cart")


class Shop:
    """Tells events, late ones, corrections, retractions, repeats, rows without a user and items described anew. Seeded."""

    def __init__(self, last: date = END, seed: int = 0) -> None:
        self.last = last
        self.dice = random.Random(seed)
        self.told: list[dict] = []

    def new(self) -> dict:
        dice = self.dice
        moment = datetime(START.year, START.month, START.day) + timedelta(
            days=dice.randint(0, (self.last - START).days), seconds=dice.randint(0, 86_399)
        )
        line = event(
            f"e{len(self.told)}", dice.choice(USERS), f"{moment}", dice.choice(KINDS), dice.choice(("milk", "cheese", "soap")),
            amount=dice.randint(1, 900) / 100, told=f"{moment + timedelta(days=1)}",
        )  # fmt: skip
        self.told.append(dict(line))
        return line

    def lines(self, count: int = 6) -> list[dict]:
        """The lines of one file, of which some correct or take back what was told before, and one has no user."""
        dice, lines = self.dice, [self.new() for _ in range(count)]
        for line in dice.sample(self.told, 4):
            version = (line["version"] or 0) + 1
            changed = {"item": "bread", "amount": dice.randint(1, 900) / 100, "version": version}
            lines.append({**line, **changed, "deleted": dice.random() < 0.3 or None})
            line["version"] = version
        return [*lines, dict(dice.choice(lines)), event(f"nobody{len(self.told)}", None, f"{self.last} 10:00:00")]

    def write(self, folder: Path, files: int) -> list[Path]:
        """Files as they come in, in the order they come in."""
        folder.mkdir(parents=True, exist_ok=True)
        written = [write_lines(folder / f"events-{n:03d}.ndjson", self.lines()) for n in range(files)]
        described = {**ITEM, "item": "soap", "department": "home", "category": "gifts", "name": "Soap"}
        return [*written, write_lines(folder / f"items-{files // 2:03d}.ndjson", [described])]


def write_shop(folder: Path, shop: Shop) -> Path:
    """The mapping of a shop with four hundred events behind it."""
    mapping = write_mapping(folder, START, shop.last)
    write_lines(folder / "events-before.ndjson", [shop.new() for _ in range(400)])
    return mapping


def put(file: Path, landing: Path) -> None:
    """The file into the landing folder, whole at once and not of just now."""
    landing.mkdir(parents=True, exist_ok=True)
    draft = landing / f".{file.name}"
    shutil.copyfile(file, draft)
    os.utime(draft, (0, 0))
    draft.replace(landing / file.name)


def refresh_directly(home_dir: Path, say: Callable[[str], None]) -> None:
    """What `portrait refresh` does, by the functions that its Dagster assets call; says each step when it is committed."""
    settings = Settings(home=home_dir, threads=1)
    home, _ = operations.ingest(open_home(settings), settled_files(settings.landing_dir))
    say("landed")
    remember = Session.remember

    def remembering(session: Session, table, window, marks) -> None:  # type: ignore[no-untyped-def]
        remember(session, table, window, marks)
        say(table.name)

    Session.remember = remembering  # type: ignore[method-assign]
    day = home.days.end
    with home.warehouse.open("refresh") as session:
        refresh_path(session, home, home.days)
        write_published(session, home, day)
        say("publishing")
        publish(session, home, day)
    say("done")


def run_child(home_dir: Path, moment: tuple[int, float] | None) -> tuple[list[tuple[str, float]], int]:
    """Fork a refresh; returns what it said and after how many seconds, and how it ended.

    `moment` is when to kill it: so many steps said, and so many seconds more. Steps, because a share of the time that another
    one took says little on a machine with other work.
    """
    reader, writer = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            refresh_directly(home_dir, lambda said: os.write(writer, f"{said}\n".encode()) and None)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    said = [("started", 0.0)]
    with os.fdopen(reader) as told:
        while moment is None or len(said) < moment[0]:
            if not (line := told.readline()):
                break
            said.append((line.strip(), time.monotonic() - began))
        if moment is not None and len(said) == moment[0]:
            time.sleep(moment[1])
            os.kill(child, signal.SIGKILL)
        said += [(line, time.monotonic() - began) for line in told.read().split()]
    _, status = os.waitpid(child, 0)
    return said, os.waitstatus_to_exitcode(status)


def moment_of(share: float, said: list[tuple[str, float]]) -> tuple[int, float]:
    """The moment after a share of the time that a refresh took which said `said`."""
    at = share * said[-1][1]
    steps = sum(seconds <= at for _, seconds in said)
    return steps, at - said[steps - 1][1]


def main(home_dir: Path, inbox: Path, kills: int, seed: int) -> None:
    """Kill, with a new file before each start; one JSON line tells what each kill hit had come to.

    Each kill has its own slice of the time, taken in random order, and a random moment in it: so they are spread over the whole.
    """
    dice, files = random.Random(seed), sorted(inbox.iterdir())
    put(files[0], home_dir / "landing")
    whole, ended = run_child(home_dir, None)
    assert (whole[-1][0], ended) == ("done", 0), (whole, ended)
    shares = [(n + dice.random()) / kills for n in range(kills)]
    dice.shuffle(shares)
    hit: list[str] = []
    for file in files[1:]:
        if len(hit) == kills:
            break
        put(file, home_dir / "landing")
        said, ended = run_child(home_dir, moment_of(shares[-1], whole))
        assert ended in (0, -signal.SIGKILL), f"a refresh after a kill failed after '{said[-1][0]}'"
        if ended:
            hit.append(said[-1][0])
            shares.pop()
        else:  # this one was faster than the undisturbed one
            shares[-1] *= 0.9
    print(json.dumps({"seconds": whole[-1][1], "kills": hit}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
