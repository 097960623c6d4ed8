"""Where the rule files in force are, and the options that the commands about them share."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path | None, typer.Argument(help="a folder of rule files; by default the ones in force")]
Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]


def rules_folder(chosen: Path | None) -> Path:
    """The folder that was chosen, or else the one that comes with Anju."""
    return chosen or Path(str(files("rules"))) / "definitions"
