"""Every fault raises the alert of its rule, at any device and hour, and no alert at other devices."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from shipped_rules import SHIPPED
from simulators.scenarios.dry_run import dry_run
from simulators.scenarios.scenario import Scenario

# Fault, device kind, duration in minutes, and the rule that must raise an alert.
CASES = [
    ("burst", "water_meter", 60, "water_burst"),
    ("leak", "water_meter", 120, "water_leak"),
    ("reverse_flow", "water_meter", 120, "water_reverse_flow"),
    ("water_lost", "water_meter", 240, "water_no_pressure"),
    ("battery_low", "water_meter", 120, "water_battery_low"),
    ("radio_lost", "water_meter", 4500, "water_silent"),
    ("radio_lost", "gas_meter", 1600, "gas_silent"),
    ("gas_leak", "gas_meter", 30, "gas_leak"),
    ("voltage_high", "electricity_meter", 120, "electricity_voltage_high"),
    ("voltage_sag", "electricity_meter", 120, "electricity_voltage_low"),
    ("power_lost", "electricity_meter", 30, "electricity_power_lost"),
    ("door_forced", "access_control", 5, "door_forced"),
    ("door_held_open", "access_control", 15, "door_held_open"),
    ("charger_fault", "ev_charger", 20, "ev_ground_fault"),
    ("car_overstays", "ev_charger", 180, "ev_connector_occupied"),
    ("ebike_over_temperature", "ebike_charger", 10, "ebike_over_temperature"),
    ("barrier_stuck", "vehicle_gate", 10, "barrier_stuck"),
    ("camera_offline", "camera", 10, "camera_silent"),
    ("camera_flapping", "camera", 60, "camera_flapping"),
    ("gateway_outage", "gateway", 30, "gateway_silent"),
    ("power_lost", "gateway", 10, "gateway_power_lost"),
]
# Simulated cameras lose their signal every two months without a fault.
WITHOUT_FAULT = {"camera_video_lost"}

hours = st.integers(0, 3 * 365 * 24).map(lambda hour: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} of {case[1]}")
@given(start=hours, place=st.integers(0, 100))
@examples(6)
def test_a_fault_raises_its_alert_at_any_device_and_time(case, start, place):
    fault, kind, minutes, rule = case
    healthy = Scenario(name="anywhere", zh="任何时候", start=start, lasts=f"{minutes + 180}m", kinds=(kind,))
    device = healthy.devices[place % len(healthy.devices)].name
    faulty = healthy.model_copy(update={"faults": (f"{fault}:{device}@+100m/{minutes}m",)})
    alerts = {
        (alert.rule, alert.device) for alert in dry_run(faulty, SHIPPED).raised if alert.rule not in WITHOUT_FAULT
    }
    assert (rule, device) in alerts
    assert {where for _, where in alerts} == {device}
