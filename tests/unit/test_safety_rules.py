"""Rules about hazards to people are critical: notices of no other severity come whatever a window or a digest holds."""

import pytest

from rules.model.rule import Severity
from shipped_rules import SHIPPED

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
    rule = SHIPPED.find(name)
    assert rule is not None
    assert rule.severity is Severity.CRITICAL
    assert not rule.shadow
