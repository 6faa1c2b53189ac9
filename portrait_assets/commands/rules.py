"""`portrait rules`: what may be recommended, and whether a file of it may stand."""

import re
from pathlib import Path
from typing import Annotated, Optional

import typer

from portrait_assets.errors import PortraitError
from portrait_assets.home import Home, open_home
from portrait_assets.packs.files import read_toml
from portrait_assets.packs.own import is_own
from portrait_assets.packs.pack import folder_of_pack
from portrait_assets.packs.recommending import Recommending, parse_recommending, place
from portrait_assets.reading.words import counted
from portrait_assets.terminal import Terminal
from portrait_assets.words_near import nearest, pattern_of

app = typer.Typer(help="The rules of recommending.", no_args_is_help=True)
console = Terminal()

# Every name that a rule may give at a level: items are those described and those that events name.
NAMES = {level: f"select distinct {level} from clean.items where {level} is not null" for level in
         ("item_type", "category", "department", "brand", "maker", "name")} | {
    "item": "select item_id from clean.items union select item_id from clean.events where item_id is not null"
}  # fmt: skip


@app.callback()
def rules() -> None:
    """The rules of recommending."""


@app.command()
def lint(
    file: Annotated[
        Optional[Path],
        typer.Argument(help="A recommendations.toml; default: the home's own, else the pack's.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Judge a file of rules by itself and by the home's items; what is wrong is one line with the file's line and the field, and exit 2."""
    home = open_home()
    shipped = folder_of_pack(home.pack.reference) / "recommendations.toml"
    own = home.pack.own / "recommendations.toml" if home.pack.own else shipped
    path = file or (own if own.exists() else shipped)
    text = path.read_text(encoding="utf-8")
    content = read_toml(path) if not is_own(path) else read_toml(shipped) | read_toml(path)
    said = parse_recommending(content, path, text).stocked_by(home.settings.home_dir)
    wrong = [f"{place(path, text, field)}, field {field}: {message}" for field, message in unknown_names(home, said)]
    if wrong:
        more = f" ({len(wrong) - 1} more like it)" if len(wrong) > 1 else ""
        raise PortraitError(f"{wrong[0]}{more}")
    count = len(list(said.rules))
    console.print(
        f"{path}: well formed; its {counted(count, 'rule')} and {counted(len(said.out_of_stock), 'item')} out of stock all name something."
    )


def unknown_names(home: Home, said: Recommending) -> list[tuple[str, str]]:
    """(field, message) of every rule whose name no item has, in the order of the file, and of what is out of stock and not known."""
    asked = [*said.rules, *(("out_of_stock", "item", item) for item in said.out_of_stock)]
    with home.warehouse.open("look for the names of rules") as session:
        known = {level: {name for (name,) in session.rows(NAMES[level])} for level in {level for _, level, _ in asked}}
    return [
        (field, f"{_none(level)} '{name}'{nearest(name, known[level])}; mend the name or take the rule away")
        for field, level, name in asked
        if not _is_known(level, name, known[level])
    ]


def _is_known(level: str, name: str, known: set[str]) -> bool:
    return any(re.fullmatch(pattern_of(name), one) for one in known) if level == "name" else name in known


def _none(level: str) -> str:
    return "there is no item" if level == "item" else f"no item has {level}"
