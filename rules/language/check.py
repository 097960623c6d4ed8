"""Checks a folder of rule files, and says of each rule whether its examples come out as written."""

from dataclasses import dataclass
from pathlib import Path

from rules.language.loader import read_rules
from rules.language.run_examples import run_examples
from rules.language.yaml_document import Problem
from rules.model.rule import Rule


@dataclass(frozen=True, slots=True)
class Tested:
    """A rule that could be read, and what is wrong with its examples."""

    rule: Rule
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: what can't be read, and every rule that can."""

    unreadable: tuple[Problem, ...]
    tested: tuple[Tested, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, in the order of file and line."""
        return tuple(sorted({*self.unreadable, *(problem for each in self.tested for problem in each.problems)}))


def check_folder(folder: Path) -> Report:
    """Reads the rule files of the folder and plays the examples of every rule."""
    rules, problems = read_rules(folder)
    return Report(problems, tuple(Tested(rule, tuple(run_examples(rule))) for rule in rules))
