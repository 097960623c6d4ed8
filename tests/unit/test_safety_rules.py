"""Rules about hazards to people are critical: notices of no other severity come whatever a window or a digest holds."""

from pathlib import Path

import pytest

from rules.language.loader import load_rules
from rules.model.rule import Severity

RULES = load_rules(Path(__file__).parents[2] / "rules" / "definitions")
HAZARDS = (
    "gas_leak",
    "ebike_smoke",
    "ebike_over_temperature",
    "door_duress",
    "ev_ground_fault",
    "electricity_neutral_fault",
)


@pytest.mark.parametrize("name", HAZARDS)
def test_a_rule_about_a_hazard_to_people_is_critical(name: str):
    rule = RULES.find(name)
    assert rule is not None
    assert rule.severity is Severity.CRITICAL
    assert not rule.shadow
