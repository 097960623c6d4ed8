"""Check of a folder of rule files, including the examples of every rule."""

from dataclasses import dataclass
from pathlib import Path

from rules.language.loader import read_rules
from rules.language.run_examples import run_examples
from rules.language.yaml_document import Diagnostic
from rules.model.rule import Rule


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A readable rule and the diagnostics of its examples."""

    rule: Rule
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of a check: diagnostics of unreadable files and rules, and all readable rules."""

    unreadable: tuple[Diagnostic, ...]
    checked: tuple[CheckedRule, ...]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All diagnostics, ordered by file and line."""
        return tuple(
            sorted({*self.unreadable, *(diagnostic for each in self.checked for diagnostic in each.diagnostics)})
        )


def check_folder(folder: Path) -> CheckResult:
    """Read the rule files of a folder and run the examples of every rule."""
    rules, diagnostics = read_rules(folder)
    return CheckResult(diagnostics, tuple(CheckedRule(rule, tuple(run_examples(rule))) for rule in rules))
