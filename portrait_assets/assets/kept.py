"""Days whose snapshots and predictions are not kept: made again where they are read, to the bit; the next refresh drops them."""

from collections.abc import Iterable
from datetime import date

from portrait_assets import columns as c
from portrait_assets.assets.daily import write_piece
from portrait_assets.assets.scoring import portrait_rows, scored_days, write_scores
from portrait_assets.home import Home
from portrait_assets.lineage import Ledger
from portrait_assets.partitions import Window
from portrait_assets.resources.session import Session


def make_again(session: Session, home: Home, days: Iterable[date]) -> None:
    """Store what is not kept of those `days` that have come and lie in the history. Before reading them, call this."""
    ledger = Ledger(session, home)
    dropped = Window(ledger.history_start, max(ledger.history_start, ledger.first_kept(home.days.start)))
    wanted = sorted({day for day in days if dropped.start <= day < dropped.end})
    for day in wanted:
        window = Window(day, day)
        if ledger.models.get(day) and not ledger.is_current(c.SCORES_PREDICTIONS, day):
            rows = [portrait_rows(scored) for scored in scored_days(session, home, window)]
            write_scores(session, home, c.SCORES_PREDICTIONS, window, rows)
        if not ledger.is_current(c.PORTRAITS_SNAPSHOTS, day):
            write_piece(session, home, c.PORTRAITS_SNAPSHOTS, window)
