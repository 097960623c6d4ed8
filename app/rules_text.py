"""Text and JSON of a check of rule files, and of their examples step by step."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from app.tables import say_table, terminal
from rules.language.check import CheckedRule, CheckResult
from rules.language.run_examples import StepResult, trace_example
from rules.language.yaml_document import Diagnostic
from rules.model.condition import as_words
from rules.model.duration import spell
from rules.model.labels_zh import SEVERITY
from rules.model.rule import Rule, Severity

_VERDICT = {True: "yes", False: "no", None: "?"}
_GOOD, _BAD, _QUIET = "green", "bold red", "dim"
_EXAMPLES = len("10 examples")


def print_check(result: CheckResult, folder: Path) -> None:
    """Print the diagnostics on standard error, each with its line, or else the number of rules."""
    if result.diagnostics:
        print_diagnostics(result.diagnostics, folder)
        err = terminal(err=True)
        err.print(f"{_counted(len(result.diagnostics), 'problem')}: these rules are not used", style=_BAD)
        failing = next((each.rule.name for each in result.checked if each.diagnostics), None)
        if failing:
            err.print(f"To see how its examples go on: anju rules test {folder} --rule {failing}", soft_wrap=True)
        return
    severities = [SEVERITY[severity] for severity in reversed(Severity)]
    heads = ("kind", "rules", *severities, "examples")
    rows = [_row_of_counts(kind, list(rules)) for kind, rules in groupby(_rules(result), lambda rule: rule.kind)]
    total = _row_of_counts("", _rules(result))
    say_table(heads, [*rows, [Text(each, "bold") for each in total]], numbers=heads[1:])
    _print_success(result, folder)


def print_tests(result: CheckResult, folder: Path, *, with_steps: bool) -> None:
    """Print every rule with the number of its examples, and failures step by step on standard error."""
    out = terminal()
    width = max((len(each.rule.name) for each in result.checked), default=0)
    for kind, checked in groupby(result.checked, lambda each: each.rule.kind):
        out.print(kind, style="bold")
        for each in checked:
            mark = ("FAILED  ", _BAD) if each.diagnostics else ("ok      ", _GOOD)
            examples = f"{_counted(len(each.rule.examples), 'example'):<{_EXAMPLES}}"
            out.print(Text.assemble("  ", mark, f"{each.rule.name:<{width}}  {examples}  {each.rule.title}"))
            if with_steps and not each.diagnostics:
                _print_rule(each, out)
    print_diagnostics(result.unreadable, folder)
    for each in result.checked:
        if each.diagnostics:
            print_diagnostics(each.diagnostics, folder)
            _print_rule(each, terminal(err=True))
    failed = sum(bool(each.diagnostics) for each in result.checked)
    if result.diagnostics:
        terminal(err=True).print(
            f"{failed} of {_counted(len(result.checked), 'rule')} failed{_unreadable(result)}", style=_BAD
        )
    else:
        _print_success(result, folder)


def _print_success(result: CheckResult, folder: Path) -> None:
    text = f"{_counted(len(result.checked), 'rule')} in {folder}, all examples hold"
    terminal().print(f"\n{text}", style=_GOOD, soft_wrap=True)


def _unreadable(result: CheckResult) -> str:
    return f", {_counted(len(result.unreadable), 'problem')} kept others from being read" if result.unreadable else ""


def _rules(result: CheckResult) -> list[Rule]:
    return [each.rule for each in result.checked]


def _row_of_counts(name: str, rules: Sequence[Rule]) -> list[str]:
    severities = Counter(rule.severity for rule in rules)
    of_each = (str(severities[severity] or "") for severity in reversed(Severity))
    return [name, str(len(rules)), *of_each, str(sum(len(rule.examples) for rule in rules))]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def print_diagnostics(diagnostics: Iterable[Diagnostic], folder: Path) -> None:
    """Print diagnostics on standard error, and the line of the file below those of one line."""
    out = terminal(err=True)
    for (path, number), at_once in groupby(sorted(diagnostics), lambda each: (_path(each, folder), each.line)):
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        where = f"{path}:{number}" if path.is_file() else str(path)
        for diagnostic in at_once:
            out.print(Text.assemble((where, "bold"), ": ", diagnostic.message), soft_wrap=True)
        if number <= len(lines):
            out.print(Text.assemble((f"{number:>5} | ", _QUIET), lines[number - 1]), soft_wrap=True)
        out.print()


def _path(diagnostic: Diagnostic, folder: Path) -> Path:
    """Return the file of a diagnostic, or the folder for a diagnostic about the folder itself."""
    return folder if diagnostic.file == str(folder) else folder / diagnostic.file


def _print_rule(checked: CheckedRule, out: Console) -> None:
    """Print a rule and its failing examples, or all examples if none fails."""
    rule = checked.rule
    for name, condition, delay in (("when", rule.when, rule.on_delay), ("until", rule.until, rule.off_delay)):
        text = as_words(condition) if condition else "no longer `when`"
        lasting = f", for {spell(delay)}" if delay else ""
        out.print(Text.assemble((f"  {name:<5} ", _QUIET), f"{text}{lasting}"), soft_wrap=True)
    for results in _examples_to_print(rule):
        out.print()
        _print_example(results, out)
    out.print()


def _examples_to_print(rule: Rule) -> list[list[StepResult]]:
    examples = [list(trace_example(rule, example)) for example in rule.examples]
    return [example for example in examples if not all(result.holds for result in example)] or examples


def _print_example(results: Sequence[StepResult], out: Console) -> None:
    verdicts = [name for name in ("when", "until") if any(name in each.verdicts for each in results)]
    out.print(Text(f"  example on line {results[0].step.line}", _QUIET))
    say_table(
        ("", "at", "what arrives", *verdicts, "phase", "expected"),
        (_row(each, verdicts) for each in _shortened(results)),
        numbers=("at",),
        out=out,
    )


def _shortened(results: Sequence[StepResult]) -> Iterator[StepResult | int]:
    """Yield the informative steps, and the number of steps omitted in between.

    A step is informative if it expects a phase, changes the phase, or is the first or last one of its line in the file.
    """
    omitted = 0
    for index, each in enumerate(results):
        neighbours = [*results[max(0, index - 1) : index], *results[index + 1 : index + 2]]
        at_edge = len(neighbours) < 2 or any(one.step.line != each.step.line for one in neighbours)
        if at_edge or each.step.then or neighbours[0].phase is not each.phase:
            if omitted:
                yield omitted
            yield each
            omitted = 0
        else:
            omitted += 1


def _row(result: StepResult | int, verdicts: Sequence[str]) -> list[str | Text]:
    if isinstance(result, int):
        return ["", "", Text(f"... {_counted(result, 'more reading')}", _QUIET)]
    step, style = result.step, "" if result.holds else _BAD
    due = f" to {spell(result.due)}" if result.due else ""
    return [
        Text("" if result.holds else ">", style),
        spell(step.at),
        "\n".join(_values(result)),
        *(_VERDICT[result.verdicts[name]] if name in result.verdicts else "" for name in verdicts),
        Text(f"{result.phase}{due}", style),
        Text(step.then or "", style),
    ]


def _values(result: StepResult) -> Iterator[str]:
    """Yield the arriving and the derived values of a step, one a line."""
    step = result.step
    arriving = {**step.values, **step.data}
    if step.households:
        yield "of each household"
    if step.event or not arriving:
        yield step.event or ("a reading" if step.arrives else "nothing")
    yield from (f"{name} {_number(value)}" for name, value in arriving.items())
    yield from (f"= {name} {_number(value)}" for name, value in result.derived.items())


def _number(value: object) -> str:
    """Return a value as a rule file spells it, or `?` while unknown."""
    match value:
        case None:
            return "?"
        case bool():
            return str(value).lower()
        case float() | int():
            return f"{value:.6g}"
        case _:
            return str(value)


def check_as_json(result: CheckResult, folder: Path) -> dict[str, Any]:
    """Return the result of a check as JSON."""
    rules = Counter(rule.kind for rule in _rules(result))
    return {"folder": str(folder), "problems": [each._asdict() for each in result.diagnostics], "rules": dict(rules)}


def tests_as_json(result: CheckResult, folder: Path, *, with_steps: bool) -> dict[str, Any]:
    """Return the result of the examples of every rule as JSON; with steps if they fail or `with_steps`."""
    return {
        "folder": str(folder),
        "problems": [each._asdict() for each in result.diagnostics],
        "rules": [_rule_as_json(each, with_steps=with_steps) for each in result.checked],
    }


def _rule_as_json(checked: CheckedRule, *, with_steps: bool) -> dict[str, Any]:
    rule = checked.rule
    file, line = rule.source.rsplit(":", 1)
    content = {
        "rule": rule.name,
        "kind": rule.kind,
        "file": file,
        "line": int(line),
        "severity": rule.severity,
        "title": rule.title,
        "holds": not checked.diagnostics,
        "examples": len(rule.examples),
    }
    if with_steps or checked.diagnostics:
        content["played"] = [
            [_step_as_json(result) for result in trace_example(rule, example)] for example in rule.examples
        ]
    return content


def _step_as_json(result: StepResult) -> dict[str, Any]:
    step = result.step
    return {
        "line": step.line,
        "at_s": step.at.total_seconds(),
        "event": step.event,
        "values": {**step.values, **step.data},
        "made": result.derived,
        **result.verdicts,
        "phase": result.phase,
        "due_s": result.due and result.due.total_seconds(),
        "expected": step.then,
        "holds": result.holds,
    }
