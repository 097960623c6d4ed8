"""`anju rules check` and `anju rules test`."""

from typing import Annotated

import typer

from app.output import Exit, Json, say_json
from app.rule_files import Folder, chosen_rule, rules_in_force
from app.rules_text import check_as_json, print_check, print_tests, tests_as_json
from rules.language.check import CheckResult, check_folder
from rules.model.rule import RulePack


def check(folder: Folder = None, *, as_json: Json = False) -> None:
    """Check every rule file and run its examples; list each mistake with its line and its remedy.

    Exit code: 0 the rules can be used, 1 they can't, 2 wrong usage.

    Example: anju rules check my-rules/
    """
    where = rules_in_force(folder)
    result = check_folder(where)
    if as_json:
        say_json(check_as_json(result, where))
    else:
        print_check(result, where)
    raise typer.Exit(int(Exit.REFUSED if result.diagnostics else Exit.DONE))


def run_examples(
    folder: Folder = None,
    *,
    rule: Annotated[
        list[str] | None, typer.Option(help="only this rule, and how its examples go on; may be given again")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the examples of every rule, and show the failing ones step by step.

    Exit code: 0 every example holds, 1 one does not or can't be read, 2 wrong usage.

    Example: anju rules test my-rules/ --rule voltage_high
    """
    where = rules_in_force(folder)
    result = check_folder(where)
    if rule and not result.unreadable:
        result = _only(result, rule)
    if as_json:
        say_json(tests_as_json(result, where, with_steps=bool(rule)))
    else:
        print_tests(result, where, with_steps=bool(rule))
    raise typer.Exit(int(Exit.REFUSED if result.diagnostics else Exit.DONE))


def _only(result: CheckResult, names: list[str]) -> CheckResult:
    """Return the part of a result about these rules."""
    pack = RulePack(tuple(each.rule for each in result.checked))
    chosen = {chosen_rule(pack, name).name for name in names}
    return CheckResult(result.unreadable, tuple(each for each in result.checked if each.rule.name in chosen))
