"""Checks a folder of rule files, and says of each rule whether its examples come out as written."""

from dataclasses import dataclass
from pathlib import Path

from rules.language.loader import read_rules
from rules.language.run_examples import run_examples
from rules.language.yaml_document import Diagnostic
from rules.model.rule import Rule


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule that could be read, and what is wrong with its examples."""

    rule: Rule
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: what can't be read, and every rule that can."""

    unreadable: tuple[Diagnostic, ...]
    checked: tuple[CheckedRule, ...]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All of them, in the order of file and line."""
        return tuple(
            sorted({*self.unreadable, *(diagnostic for each in self.checked for diagnostic in each.diagnostics)})
        )


def check_folder(folder: Path) -> CheckResult:
    """Reads the rule files of the folder and plays the examples of every rule."""
    rules, diagnostics = read_rules(folder)
    return CheckResult(diagnostics, tuple(CheckedRule(rule, tuple(run_examples(rule))) for rule in rules))
