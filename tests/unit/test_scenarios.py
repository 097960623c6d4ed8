"""Scenarios with known truth: the rules of Anju raise exactly the expected alerts."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.model.device_group import with_device_groups
from shipped_rules import SHIPPED
from simulators.scenarios.dry_run import dry_run
from simulators.scenarios.scenario import ScenarioError, all_scenarios, find_scenario, read_scenario
from simulators.scenarios.score import RaisedAlert, score_alerts, score_table

SCENARIOS = all_scenarios()
START = datetime(2026, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = """
zh: 水管爆裂
start: 2026-01-12T00:00:00+00:00
lasts: 10h
"""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_precision_and_recall_are_1(scenario):
    run = dry_run(scenario, SHIPPED)
    score = score_alerts(scenario, run.raised)
    assert score.perfect, score_table([score])
    assert score.precision == score.recall == 1.0
    assert run.suppressed == scenario.suppressed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_has_a_chinese_summary_and_expects_possible_alerts(scenario):
    assert re.search(r"[\u4e00-\u9fff]", scenario.zh)
    rules = {rule.name for rule in SHIPPED.rules}
    known = with_device_groups({device.id: device for device in scenario.devices})
    devices = {device.name for device in known.values()}
    for expected in scenario.expected:
        assert expected.rule in rules
        assert expected.device in devices or expected.rule.startswith("pipeline")
        assert expected.raised <= (expected.ended or scenario.lasts) <= scenario.lasts


def test_without_its_record_a_replacement_hides_what_was_used_before_it():
    scenario = find_scenario("meter_replaced")
    run = dry_run(scenario.model_copy(update={"replacements": ()}), SHIPPED)
    assert not score_alerts(scenario, run.raised).perfect


def test_a_second_dry_run_has_the_same_result():
    assert dry_run(find_scenario("door_forced"), SHIPPED) == dry_run(find_scenario("door_forced"), SHIPPED)


def expecting(*expected):
    lines = [f"  - {{{', '.join(f'{key}: {value}' for key, value in one.items())}}}" for one in expected]
    return GOOD + "\n".join(["expected:", *lines]) if expected else GOOD


def scenario(folder, text):
    path = folder / "made_up.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path)


def raised_alert(hours, ended=None, rule="water_burst", device="meter-1"):
    return RaisedAlert(rule, device, START + hours * HOUR, None if ended is None else START + ended * HOUR)


def test_an_alert_in_time_is_a_hit_with_its_delay(tmp_path):
    one = scenario(tmp_path, expecting({"rule": "water_burst", "device": "meter-1", "raised": "1h", "within": "90m"}))
    score = score_alerts(one, [raised_alert(2)])
    assert [hit.delay for hit in score.hits] == [HOUR]
    assert score.perfect


@pytest.mark.parametrize(
    "alerts",
    [
        [],
        [raised_alert(3)],
        [raised_alert(1, ended=2)],
        [raised_alert(1, rule="water_leak")],
        [raised_alert(1, device="meter-2")],
    ],
    ids=["none", "late", "over too soon", "another rule", "another device"],
)
def test_an_alert_unlike_the_expected_one_counts_as_missed_and_false(tmp_path, alerts):
    one = scenario(tmp_path, expecting({"rule": "water_burst", "device": "meter-1", "raised": "1h"}))
    score = score_alerts(one, alerts)
    assert [missed.rule for missed in score.missed] == ["water_burst"]
    assert list(score.false) == alerts
    assert (score.precision, score.recall) == (1.0 if not alerts else 0.0, 0.0)
    assert "made_up: missed water_burst of meter-1" in score_table([score])


def test_an_alert_with_the_wrong_end_is_no_hit(tmp_path):
    one = scenario(
        tmp_path, expecting({"rule": "water_burst", "device": "meter-1", "raised": "1h", "ended": "2h", "within": "5m"})
    )
    assert score_alerts(one, [raised_alert(1, ended=2)]).perfect
    assert not score_alerts(one, [raised_alert(1)]).perfect
    assert not score_alerts(one, [raised_alert(1, ended=4)]).perfect


def test_two_alerts_never_match_one_expected_alert(tmp_path):
    one = scenario(tmp_path, expecting({"rule": "water_burst", "device": "meter-1", "raised": "1h", "within": "2h"}))
    score = score_alerts(one, [raised_alert(1), raised_alert(2)])
    assert len(score.hits) == len(score.false) == 1
    assert score.precision == 0.5


def test_without_expected_and_raised_alerts_precision_and_recall_are_1(tmp_path):
    score = score_alerts(scenario(tmp_path, GOOD), [])
    assert score.precision == score.recall == 1.0


@given(
    alerts=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 2)).map(lambda at: raised_alert(at[0], device=f"m{at[1]}"))
    ),
    expectations=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_every_alert_is_either_a_hit_or_false_in_any_order(tmp_path_factory, alerts, expectations, order):
    expected = [{"rule": "water_burst", "device": f"m{number}", "raised": f"{hour}h"} for hour, number in expectations]
    one = scenario(tmp_path_factory.getbasetemp(), expecting(*expected))
    score = score_alerts(one, alerts)
    assert sorted([*(hit.raised for hit in score.hits), *score.false]) == sorted(alerts)
    assert len(score.hits) + len(score.missed) == len(expectations)
    shuffled = order.sample(alerts, len(alerts))
    assert score_alerts(one, shuffled) == score


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zh: 水管爆裂", "start"),
        (GOOD + "weather: bad", "weather"),
        (GOOD.replace("+00:00", ""), "timezone"),
        (GOOD.replace("10h", "long"), "duration"),
        (GOOD + "faults: ['earthquake:b01@+1h']", "earthquake"),
        (GOOD + "faults: ['burst:b01-u1-0101-water']", "kind:device@start"),
        (GOOD + "expected: [{rule: water_burst, raised: 1h, until: 2h}]", "until"),
        ("- a list", "made_up.yaml"),
        ("zh: [", "made_up.yaml"),
        ("", "made_up.yaml"),
    ],
)
def test_an_invalid_scenario_file_is_refused_with_its_name_and_the_reason(tmp_path, text, message):
    with pytest.raises(ScenarioError, match=re.escape(message)) as error:
        scenario(tmp_path, text)
    assert str(error.value).startswith("made_up.yaml")


def test_an_unknown_scenario_name_is_answered_with_the_known_ones():
    with pytest.raises(ScenarioError, match="quiet_night"):
        find_scenario("earthquake")


def test_a_scenario_of_some_kinds_needs_no_gateway_and_one_gateway_can_have_all_meters(tmp_path):
    some = scenario(tmp_path, GOOD + "kinds: [water_meter]")
    assert {device.kind for device in some.devices} == {"water_meter"}
    assert {device.gateway for device in some.devices} == {None}
    one = scenario(tmp_path, GOOD + "households: 65\none_gateway: true")
    behind = [device for device in one.devices if device.gateway == "b01-gateway"]
    assert len(behind) > 200
    assert [device.name for device in one.devices if device.kind == "gateway"] == ["b01-gateway"]
