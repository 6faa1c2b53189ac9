"""`portrait sql`: the SQL that makes the tables, as it runs."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from portrait_assets.errors import PortraitError
from portrait_assets.home import known_pack, open_home
from portrait_assets.lineage import fixed_parameters
from portrait_assets.resources.scope import SCOPED_VIEWS
from portrait_assets.resources.sql import literal, read_sql, sql_names, with_literals, write_rendered
from portrait_assets.settings import Settings
from portrait_assets.words_near import nearest

app = typer.Typer(help="The SQL that makes the tables, as it runs.", no_args_is_help=True)

# What a file may read that no table is called: whose rows, which days, and interests with those that are not stored.
INPUTS = {
    **{view: f"create or replace temp view {view} as from {table};" for view, (table, _) in SCOPED_VIEWS.items()},
    "wanted_days": "create or replace temp table wanted_days as select {day} as event_date;",
    "known_interests": "create or replace temp view known_interests as from features.interests;",
}


@app.command()
def show(
    name: Annotated[Optional[str], typer.Argument(help="A file of sql/, e.g. features/as_of; none: their names.")] = None,
) -> None:
    """One file, with this home's values for its parameters: to be pasted into DuckDB beside the home's warehouse. Its window is the
    home's last day."""
    known = [each.removesuffix(".sql") for each in sql_names()]
    if name is None:
        print("\n".join(known))
        return
    wanted = name.removesuffix(".sql") + ".sql"
    if wanted not in sql_names():
        raise PortraitError(f"there is no SQL '{name}'{nearest(name, known)}; `portrait sql show` names all")
    home = open_home()
    day = home.days.end
    values = fixed_parameters(home) | {"start": day, "end": day, "event_date": day, "history_start": home.days.start}
    values["month_starts"] = [day] if day.day == 1 else []
    sql = read_sql(wanted, home.pack.schema)
    inputs = [line.format(day=literal(day)) for view, line in INPUTS.items() if view in sql]
    print("\n".join([*inputs, with_literals(sql, values)]), end="")


@app.command()
def render(folder: Annotated[Path, typer.Argument(help="Where to write.")]) -> None:
    """Every file as it runs, parameters by name, under FOLDER: what `make lint` lints."""
    print(f"{write_rendered(folder, known_pack(Settings()).schema)} files under {folder}")
