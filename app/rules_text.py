"""What a check of rule files found, and how their examples went on, as a person reads it and as a program does."""

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
    """Print the problems on standard error, each with the line it stands on, or else how many rules there are."""
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
    """Print every rule with the number of its examples, and on standard error what is wrong, step by step."""
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
    """Print problems on standard error, and below those of one line the line itself."""
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
    """The file of a problem; one about the folder itself has none."""
    return folder if diagnostic.file == str(folder) else folder / diagnostic.file


def _print_rule(checked: CheckedRule, out: Console) -> None:
    """Print the rule and how its examples went on: those that do not hold, or all where none of them is wrong."""
    rule = checked.rule
    for name, condition, delay in (("when", rule.when, rule.on_delay), ("until", rule.until, rule.off_delay)):
        text = as_words(condition) if condition else "no longer `when`"
        lasting = f", for {spell(delay)}" if delay else ""
        out.print(Text.assemble((f"  {name:<5} ", _QUIET), f"{text}{lasting}"), soft_wrap=True)
    for played in _examples_to_print(rule):
        out.print()
        _print_example(played, out)
    out.print()


def _examples_to_print(rule: Rule) -> list[list[StepResult]]:
    examples = [list(trace_example(rule, example)) for example in rule.examples]
    return [example for example in examples if not all(played.holds for played in example)] or examples


def _print_example(played: Sequence[StepResult], out: Console) -> None:
    verdicts = [name for name in ("when", "until") if any(name in each.verdicts for each in played)]
    out.print(Text(f"  example on line {played[0].step.line}", _QUIET))
    say_table(
        ("", "at", "what arrives", *verdicts, "phase", "expected"),
        (_row(each, verdicts) for each in _shortened(played)),
        numbers=("at",),
        out=out,
    )


def _shortened(played: Sequence[StepResult]) -> Iterator[StepResult | int]:
    """The steps that tell something; of others, which one line of the file stands for, how many there were."""
    left = 0
    for index, each in enumerate(played):
        near = [*played[max(0, index - 1) : index], *played[index + 1 : index + 2]]
        at_edge = len(near) < 2 or any(one.step.line != each.step.line for one in near)
        if at_edge or each.step.then or near[0].phase is not each.phase:
            if left:
                yield left
            yield each
            left = 0
        else:
            left += 1


def _row(played: StepResult | int, verdicts: Sequence[str]) -> list[str | Text]:
    if isinstance(played, int):
        return ["", "", Text(f"... {_counted(played, 'more reading')}", _QUIET)]
    step, style = played.step, "" if played.holds else _BAD
    due = f" to {spell(played.due)}" if played.due else ""
    return [
        Text("" if played.holds else ">", style),
        spell(step.at),
        "\n".join(_values(played)),
        *(_VERDICT[played.verdicts[name]] if name in played.verdicts else "" for name in verdicts),
        Text(f"{played.phase}{due}", style),
        Text(step.then or "", style),
    ]


def _values(played: StepResult) -> Iterator[str]:
    """What arrives, and what the rule has made of it and others before, one value a line."""
    step = played.step
    given = {**step.values, **step.data}
    if step.households:
        yield "of each household"
    if step.event or not given:
        yield step.event or ("a reading" if step.arrives else "nothing")
    yield from (f"{name} {_number(value)}" for name, value in given.items())
    yield from (f"= {name} {_number(value)}" for name, value in played.derived.items())


def _number(value: object) -> str:
    """A value in the words of a rule file, or `?`."""
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
    """What a check found, for a program."""
    rules = Counter(rule.kind for rule in _rules(result))
    return {"folder": str(folder), "problems": [each._asdict() for each in result.diagnostics], "rules": dict(rules)}


def tests_as_json(result: CheckResult, folder: Path, *, with_steps: bool) -> dict[str, Any]:
    """What became of every rule, for a program; with the steps of its examples where they fail, or all of them."""
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
            [_step_as_json(played) for played in trace_example(rule, example)] for example in rule.examples
        ]
    return content


def _step_as_json(played: StepResult) -> dict[str, Any]:
    step = played.step
    return {
        "line": step.line,
        "at_s": step.at.total_seconds(),
        "event": step.event,
        "values": {**step.values, **step.data},
        "made": played.derived,
        **played.verdicts,
        "phase": played.phase,
        "due_s": played.due and played.due.total_seconds(),
        "expected": step.then,
        "holds": played.holds,
    }
