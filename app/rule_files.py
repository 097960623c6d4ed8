"""Where the rule files in force are, and the options that the commands about them share."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from app.output import Exit, fail
from rules.language.yaml_document import nearest
from rules.model.rule import Rule, RulePack

Folder = Annotated[
    Path | None,
    typer.Argument(exists=True, file_okay=False, help="a folder of rule files; by default the ones in force"),
]
Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]


def rules_folder(chosen: Path | None) -> Path:
    """The folder that was chosen, or else the one that comes with Anju."""
    return chosen or Path(str(files("rules"))) / "definitions"


def chosen_rule(pack: RulePack, name: str) -> Rule:
    """The rule of that name; where there is none the command ends, and says which one may have been meant."""
    rules = {rule.name: rule for rule in pack.rules}
    if name not in rules:
        raise fail(f"there is no rule `{name}`{nearest(name, rules)}", Exit.USAGE)
    return rules[name]
