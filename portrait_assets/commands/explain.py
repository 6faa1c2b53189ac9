"""`portrait explain`: why a user has a tag: the events behind it, and what would make it another."""

from typing import Annotated, Optional

import typer

from portrait_assets.commands.options import JsonOption, SourceOption, print_json
from portrait_assets.errors import PortraitError
from portrait_assets.home import open_home
from portrait_assets.observability import published_day
from portrait_assets.partitions import parse_date, partition_of
from portrait_assets.terminal import Terminal
from portrait_assets.words_near import nearest

app = typer.Typer()
console = Terminal()


@app.command()
def explain(
    user: Annotated[str, typer.Argument(help="A user id as the source writes it.")],
    tag_id: Annotated[str, typer.Argument(metavar="TAG", help="A tag's id; `portrait show USER` lists those the user has.")],
    as_of: Annotated[
        Optional[str], typer.Option("--as-of", help="As the portrait was on this day; default: as published.")
    ] = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a user has a tag: each reason and each "would be" is tried on the user's own history, by the same SQL and model."""
    from portrait_assets.assets.kept import make_again
    from portrait_assets.explaining.explanation import explain as explained
    from portrait_assets.explaining.explanation import told

    home = open_home(source=source)
    day = partition_of(parse_date(as_of, "--as-of")) if as_of else published_day(home)
    if day is None:
        raise PortraitError(f"nothing is published in {home.settings.home_dir} yet; run `portrait run` first")
    tag = home.pack.tag(tag_id)
    if tag is None:
        raise PortraitError(f"tag '{tag_id}' is not in the catalogue{nearest(tag_id, [tag.id for tag in home.pack.tags])}")
    with home.warehouse.open("explain a tag") as session:
        make_again(session, home, [day])
        found = explained(session, home, day, user, tag)
    if as_json:
        print_json(found.as_dict())
        return
    for line in told(found):
        console.print(line, soft_wrap=True)
