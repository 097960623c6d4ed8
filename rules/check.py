"""Checks a folder of rule files: `python -m rules.check rules/definitions`."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rules.document import Problem
from rules.loader import RuleFileError, load_rules


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: every problem, or else the number of rules of each kind."""

    problems: tuple[Problem, ...]
    rules: Mapping[str, int]


def check_folder(folder: Path) -> Report:
    """Loads the rule files of the folder and plays their examples."""
    try:
        pack = load_rules(folder)
    except RuleFileError as error:
        return Report(error.problems, {})
    return Report((), Counter(rule.kind for rule in pack.rules))


def main(arguments: list[str]) -> int:
    """Prints the problems of the folder named, one a line, or the number of its rules; 1 if there are problems."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m rules.check FOLDER\n")
        return 2
    report = check_folder(Path(arguments[0]))
    for problem in report.problems:
        sys.stderr.write(f"{problem}\n")
    for kind, count in report.rules.items():
        sys.stdout.write(f"{kind}: {count} rules\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
