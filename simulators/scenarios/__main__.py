"""Plays scenarios on the rules in simulated time and prints the marks: `python -m simulators.scenarios [NAME...]`."""

import sys
from importlib.resources import files
from pathlib import Path

from rules.language.loader import load_rules
from simulators.scenarios.dry_run import rehearse
from simulators.scenarios.scenario import all_scenarios, scenario_of
from simulators.scenarios.score import mark, table


def main(names: list[str]) -> int:
    """Print a table of the scenarios named, or of all; 1 if an alert was missed or false."""
    pack = load_rules(Path(str(files("rules"))) / "definitions")
    scenarios = [scenario_of(name) for name in names] or all_scenarios()
    marks = [mark(scenario, rehearse(scenario, pack).raised) for scenario in scenarios]
    sys.stdout.write(f"{table(marks)}\n")
    return 0 if all(each.perfect for each in marks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
