"""Rule files of a command: the argument that names their folder, and the rules in it."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from app import environment
from app.output import Exit, fail
from rules.language.yaml_document import nearest
from rules.model.rule import Rule, RulePack

Folder = Annotated[
    Path | None,
    typer.Argument(exists=True, file_okay=False, help="a folder of rule files; by default the ones in force"),
]


def rules_folder(chosen: Path | None) -> Path:
    """Return the chosen folder, or else the folder of the rules that come with Anju."""
    return chosen or Path(str(files("rules"))) / "definitions"


def rules_in_force(chosen: Path | None) -> Path:
    """Return the chosen folder, or else that of the settings, or else that of the rules that come with Anju.

    Raises:
        SettingsError: No folder is chosen, and an `ANJU_` key is unknown or its value invalid.
    """
    if chosen is None and not environment.is_unset():
        from app.settings import Settings  # noqa: PLC0415 - costs more than a check of all rules

        chosen = Settings.load().rules_dir
    return rules_folder(chosen)


def chosen_rule(pack: RulePack, name: str) -> Rule:
    """Return the rule of a name; for an unknown name end the command and suggest a similar name."""
    rules = {rule.name: rule for rule in pack.rules}
    if name not in rules:
        raise fail(f"there is no rule `{name}`{nearest(name, rules)}", Exit.USAGE)
    return rules[name]
