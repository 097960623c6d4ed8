"""Where the rule files in force are."""

from importlib.resources import files
from pathlib import Path


def rules_folder(chosen: Path | None) -> Path:
    """The folder that was chosen, or else the one that comes with Anju."""
    return chosen or Path(str(files("rules"))) / "definitions"
