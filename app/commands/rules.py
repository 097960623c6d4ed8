"""`anju rules`: check, test, backtest, explain and shadow."""

import typer

from app.commands.backtest import run_backtest
from app.commands.explain import explain_alert
from app.commands.shadow import list_shadow
from app.output import Exit, fail, say, say_json
from app.rule_files import Folder, Json, rules_folder
from app.settings import Settings
from rules.check import Report, check_folder
from rules.loader import load_rules

rules = typer.Typer(
    help="Check maintenance rules, test them, try them on the past, and tell why they fired.", no_args_is_help=True
)
rules.command("backtest")(run_backtest)
rules.command("explain")(explain_alert)
rules.command("shadow")(list_shadow)


@rules.command()
def check(folder: Folder = None, *, as_json: Json = False) -> None:
    """Check every rule file and run its examples; exit code 1 if anything is wrong.

    Example: anju rules check my-rules/
    """
    report = check_folder(rules_folder(folder or Settings.load().rules_dir))
    if as_json:
        say_json(_as_json(report))
    elif not report.problems:
        for kind, count in report.rules.items():
            say(f"{kind}: {count} rules")
        say(f"{sum(report.rules.values())} rules, all examples hold")
    if report.problems:
        raise fail("" if as_json else "\n".join(map(str, report.problems)), Exit.REFUSED)


@rules.command("test")
def run_examples(folder: Folder = None, *, as_json: Json = False) -> None:
    """Run the examples of every rule and list them; exit code 1 if one does not hold.

    Example: anju rules test
    """
    where = rules_folder(folder or Settings.load().rules_dir)
    report = check_folder(where)
    if report.problems:
        if as_json:
            say_json(_as_json(report))
        raise fail("\n".join(map(str, report.problems)), Exit.REFUSED)
    pack = load_rules(where)
    if as_json:
        say_json([{"rule": rule.name, "kind": rule.kind, "examples": len(rule.examples)} for rule in pack.rules])
        return
    for rule in pack.rules:
        say(f"ok  {rule.name}: {len(rule.examples)} examples  {rule.title}")


def _as_json(report: Report) -> dict[str, object]:
    return {"problems": [str(problem) for problem in report.problems], "rules": dict(report.rules)}
