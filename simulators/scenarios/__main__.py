"""Dry run of scenarios with a table of scores: `python -m simulators.scenarios [NAME...]`."""

import sys
from importlib.resources import files
from pathlib import Path

from rules.language.loader import load_rules
from simulators.scenarios.dry_run import dry_run
from simulators.scenarios.scenario import all_scenarios, find_scenario
from simulators.scenarios.score import score_alerts, score_table


def main(names: list[str]) -> int:
    """Print the scores of the named scenarios, or of all; return 1 if an alert was missed or false."""
    pack = load_rules(Path(str(files("rules"))) / "definitions")
    scenarios = [find_scenario(name) for name in names] or all_scenarios()
    scores = [score_alerts(scenario, dry_run(scenario, pack).raised) for scenario in scenarios]
    sys.stdout.write(f"{score_table(scores)}\n")
    return 0 if all(each.perfect for each in scores) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
