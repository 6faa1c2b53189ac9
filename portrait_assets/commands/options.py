"""What many commands take and print alike."""

import json
import sys
from typing import Annotated, Any, Optional

import typer

SourceOption = Annotated[
    Optional[str], typer.Option("--source", help="A shipped source's name or a mapping file; default: the home's own.")
]
PackOption = Annotated[
    Optional[str],
    typer.Option(
        "--pack", help="A shipped domain pack's name or a pack's folder; default: the home's own, else what the mapping names."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def print_json(value: Any) -> None:
    """To standard output, for a program."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")
