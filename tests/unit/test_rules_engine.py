"""The engine: its transitions, its state, and restarts and reloads without loss."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from devices.vehicle_gate import VEHICLE_GATE
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.model.rule import RulePack, Scope, Severity
from rules.model.sample import Sample
from rules.model.submeters import SubMeters
from tests.unit.rules_fixtures.world import (
    COVER,
    DEVICE,
    LOST,
    RESTORED,
    START,
    World,
    at,
    event,
    event_rule,
    minutes,
    no_data_rule,
    path,
    rule,
    telemetry,
    volts,
)


def at_once(**changed):
    return rule(**({"on_delay": timedelta(), "off_delay": timedelta()} | changed))


def test_a_transition_has_texts_severity_and_inputs():
    world = World(rule(on_delay=minutes(1)))
    (_, activated) = world.evaluate(volts(0, 245.5, delay=0.5), volts(1, 246))
    assert (activated.title, activated.message) == ("电压过高", "3号楼2单元101室 电表（e-101）：245.5 V")
    assert activated.severity is Severity.WARNING
    assert activated.inputs == {
        "ts": at(0).isoformat(),
        "received_at": at(0.5).isoformat(),
        "values": {"voltage_v": 245.5},
        "limits": {
            "when": {"field": "voltage_v", "above": 242.0},
            "until": {"field": "voltage_v", "below": 238.0},
        },
        "on_delay": "1m",
        "off_delay": "5m",
        "schedule": "always",
        "scope": "device",
        "verdict": True,
    }


CONCERNED = {
    None: {Scope.DEVICE, Scope.HOUSEHOLD},
    "building": {Scope.DEVICE, Scope.BUILDING},
    "community": {Scope.DEVICE, Scope.COMMUNITY},
}


@pytest.mark.parametrize("master_of", CONCERNED)
def test_a_rule_concerns_the_devices_of_its_scope_alone(master_of):
    about = [at_once(name=f"volts_{scope}", scope=scope) for scope in Scope]
    about += [event_rule(name=f"cover_{scope}", when=COVER, latch=True, scope=scope) for scope in Scope]
    about += [no_data_rule(name=f"silent_{scope}", scope=scope) for scope in Scope]
    world = World(*about, submeters=SubMeters(master_of, (8,)) if master_of else None)
    world.evaluate(volts(0, 245), event(1, "cover_opened"))
    world.tick(200)
    raised = {each.rule for each in world.transitions if each.raises}
    assert raised == {f"{name}_{scope}" for name in ("volts", "cover", "silent") for scope in CONCERNED[master_of]}


@pytest.mark.parametrize("scope", [Scope.DEVICE, Scope.HOUSEHOLD])
def test_a_transition_has_the_scope_of_its_rule_and_keeps_it_as_json(scope):
    world = World(at_once(scope=scope))
    (raised,) = world.evaluate(volts(0, 245))
    assert json.loads(json.dumps(raised.inputs))["scope"] == scope.value


def test_the_end_of_an_alert_has_the_samples_that_held_and_cleared_it():
    world = World(at_once())
    (_, ended) = world.evaluate(volts(0, 245), volts(1, 230))
    assert ended.message.endswith("245 V")
    assert ended.inputs["values"] == {"voltage_v": 245}
    assert ended.inputs["cleared"]["values"] == {"voltage_v": 230}
    assert ended.inputs["verdict"] is False


def test_inputs_are_json():
    world = World(rule(on_delay=minutes(1)), no_data_rule(), event_rule(when=COVER, latch=True))
    world.tick(0)
    world.evaluate(volts(0, 245), volts(1, 246), event(2, "cover_opened"))
    world.tick(60)
    assert len(world.transitions) == 5
    assert all(json.loads(json.dumps(transition.inputs)) == transition.inputs for transition in world.transitions)


def test_a_value_missing_in_the_sample_is_quoted_as_last_known_or_unknown():
    told_power = at_once(message="{power_w} W、{current_a} A、{relay_closed}")
    world = World(told_power)
    world.evaluate(telemetry(0, voltage_v=230, power_w=1234.5678, relay_closed=True))
    (activated,) = world.evaluate(volts(1, 245))
    assert activated.message == "1234.568 W、未知 A、是"
    assert activated.inputs["last_known"] == {"power_w": 1234.5678, "relay_closed": True}


def test_texts_quote_event_data_with_persons_masked_and_choices_in_chinese():
    gate = event_rule(
        kind=VEHICLE_GATE.name,
        when=replace(COVER, events=("vehicle_passed",)),
        latch=True,
        message="{plate_masked} {direction} {confidence} {barrier_state}",
    )
    engine = Engine(RulePack((gate,)), START, lambda id_: replace(DEVICE, id=id_, kind=VEHICLE_GATE.name))
    data = {"plate_masked": "蒙K·****4", "plate_hash": "9f2c", "direction": "in", "confidence": 0.5}
    engine.evaluate(Sample(7, at(0), at(0), {"barrier_state": "down"}), VEHICLE_GATE.name, at(0))
    transition = engine.evaluate(Sample(7, at(1), at(1), {}, "vehicle_passed", data), VEHICLE_GATE.name, at(1))
    # The barrier was down before the event, which says nothing about it now.
    assert transition[0].message == "蒙K·****4 进 0.5 未知"
    assert "9f2c" not in json.dumps(transition[0].inputs)


def test_ids_are_made_of_names_so_that_a_replay_gives_the_same_ones():
    first, second = World(at_once()), World(at_once())
    first.evaluate(volts(0, 245))
    second.evaluate(volts(0, 245, device_id=99))
    assert first.transitions[0].alert_id == second.transitions[0].alert_id
    assert first.transitions[0].device_id != second.transitions[0].device_id


def test_devices_do_not_disturb_each_other():
    world = World(at_once())
    world.evaluate(volts(0, 245), volts(0, 230, device_id=8), volts(1, 230, device_id=8))
    assert world.phase() == "active"


def test_telemetry_that_is_not_newer_changes_nothing():
    world = World(at_once())
    world.evaluate(volts(5, 245))
    assert world.evaluate(volts(5, 230), volts(4, 230)) == []
    assert world.phase() == "active"


def test_kinds_without_rules_are_stored_but_not_evaluated():
    world = World(at_once())
    assert world.engine.evaluate(volts(0, 245), "gas_meter", at(0)) == []
    assert [device_state.last_ts for device_state in world.engine.drain_device_states()] == [at(0)]


def test_an_instance_that_was_never_more_than_pending_leaves_nothing_to_store():
    world = World(rule())
    world.evaluate(volts(0, 245))
    assert [state.phase for state, _ in world.stored.values()] == ["pending"]
    world.evaluate(volts(1, 230))
    assert world.stored == {}


def test_an_instance_that_was_active_is_stored_with_its_count():
    world = World(at_once())
    world.evaluate(volts(0, 245), volts(1, 230))
    ((state, _),) = world.stored.values()
    assert (state.phase, state.sequence, state.opened_at) == ("normal", 1, None)


def test_changes_are_reported_once():
    world = World(at_once())
    world.evaluate(volts(0, 245))
    assert world.engine.drain_changes() == ([], [])


def test_quiet_samples_change_nothing_that_is_stored():
    world = World(at_once(), no_data_rule(), event_rule(until=RESTORED))
    world.evaluate(*(volts(minute, 230) for minute in range(30)))
    assert world.stored == {}


def test_a_restart_forgets_no_pending_alert_and_raises_no_open_one_again():
    world = World(rule())
    world.evaluate(*(volts(minute, 245) for minute in range(10)))
    world.restart(minute=10)
    world.tick(10)
    assert path(world.transitions) == "normal pending active"
    world.restart(minute=11)
    world.tick(11)
    world.evaluate(volts(11, 245))
    assert path(world.transitions) == "normal pending active"


def test_another_logic_ends_the_alert_of_that_rule_only():
    world = World(at_once(), at_once(name="other"))
    world.evaluate(volts(0, 245))
    opened = {transition.rule: transition.alert_id for transition in world.transitions}
    (ended,) = world.restart(at_once(on_delay=minutes(1)), at_once(name="other"), minute=5)
    assert (ended.rule, ended.reason, ended.to_phase) == ("voltage_high", Reason.RULE_CHANGED, "normal")
    assert (ended.at, ended.alert_id) == (at(5), opened["voltage_high"])
    assert world.phase("other") == "active"


def test_other_texts_keep_the_alert_and_are_used_from_then_on():
    world = World(at_once())
    world.evaluate(volts(0, 245))
    (reworded,) = world.restart(at_once(title="电压太高", severity=Severity.MAJOR), minute=5)
    assert (path([reworded]), reworded.at, reworded.reason) == ("active active", at(5), Reason.REWORDED)
    assert (reworded.title, reworded.severity) == ("电压太高", Severity.MAJOR)
    assert (reworded.alert_id, reworded.raises) == (world.transitions[0].alert_id, False)
    assert world.restart(minute=6) == []
    (ended,) = world.evaluate(volts(6, 230))
    assert ended.title == "电压太高"


def test_the_alert_of_a_removed_rule_is_ended():
    world = World(at_once())
    world.evaluate(volts(0, 245))
    (ended,) = world.restart(at_once(name="other"), minute=5)
    assert (ended.rule, ended.reason, ended.to_phase) == ("voltage_high", Reason.RULE_CHANGED, "normal")
    assert ended.alert_id == world.transitions[0].alert_id
    assert "voltage_high" in ended.message


def test_the_ids_of_a_rule_never_recur_even_if_it_was_gone_for_a_while():
    world = World(at_once())
    world.evaluate(volts(0, 245))
    world.restart(at_once(name="other"), minute=5)
    world.restart(at_once(), minute=6)
    world.evaluate(volts(7, 245))
    first, last = world.transitions[0], world.transitions[-1]
    assert (last.rule, last.sequence) == ("voltage_high", 2)
    assert first.alert_id != last.alert_id


def test_a_pending_alert_of_a_changed_rule_starts_over():
    world = World(rule())
    world.evaluate(volts(0, 245))
    (dropped,) = world.restart(rule(on_delay=minutes(3)), minute=1)
    assert (path([dropped]), dropped.alert_id) == ("pending normal", None)
    assert world.stored == {}


def test_the_order_of_events_survives_a_restart():
    world = World(event_rule(when=LOST, until=RESTORED))
    world.evaluate(event(5, "power_restored"))
    world.restart(minute=6)
    (raised, ended) = world.evaluate(event(4, "power_lost"), event(5, "power_restored"))
    assert (raised.at, ended.at, world.phase("power_lost")) == (at(4), at(5), "normal")


def test_a_paused_engine_still_evaluates_samples():
    world = World(rule())
    world.tick(0, caught_up=False)
    world.evaluate(*(volts(minute, 245) for minute in range(9)))
    assert world.tick(10, caught_up=False) == []
    world.evaluate(volts(10, 245))
    assert world.phase() == "active"


def test_a_rule_on_trial_is_evaluated_and_all_its_transitions_are_marked():
    world = World(at_once(shadow=True), at_once(name="other"))
    world.evaluate(volts(0, 245), volts(1, 230))
    assert [transition.shadow for transition in world.transitions if transition.rule == "voltage_high"] == [True, True]
    assert not any(transition.shadow for transition in world.transitions if transition.rule == "other")


def test_an_open_alert_of_a_rule_on_trial_ends_in_the_shadow_when_the_trial_is_over():
    world = World(at_once(shadow=True))
    world.evaluate(volts(0, 245))
    (ended,) = world.restart(at_once(), minute=1)
    assert (ended.to_phase, ended.reason, ended.shadow) == ("normal", Reason.RULE_CHANGED, True)
    (raised,) = world.evaluate(volts(2, 245))
    assert (raised.sequence, raised.shadow) == (2, False)


def test_an_engine_with_other_rules_goes_on_in_the_time_of_the_one_before():
    world = World(no_data_rule())
    world.tick(0)
    world.evaluate(volts(0, 230))
    world.restart(no_data_rule(), at_once(), minute=40, clock=world.engine.clock)
    assert world.tick(50)[0].at == at(50)
