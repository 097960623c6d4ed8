"""Explanation of alerts in sentences for a property manager."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from devices.local_time import local_time_zh
from rules.analysis.explain import ProcessTransition, explain
from rules.engine.engine import Engine
from rules.model.condition import All, Any, Compare
from rules.model.rule import Phase, RulePack, Severity
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import (
    COVER,
    World,
    at,
    event,
    event_rule,
    minutes,
    no_data_rule,
    rule,
    telemetry,
    volts,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def words(transition, kind="electricity_meter"):
    return explain(
        ProcessTransition(
            kind=kind, from_phase=transition.from_phase, to_phase=transition.to_phase, at=transition.at,
            reason=transition.reason, inputs=transition.inputs,
        )
    )  # fmt: skip


def last_words(world):
    return words(world.transitions[-1])


def test_an_alert_is_explained_by_value_limit_start_and_duration():
    world = World(rule(allowed_gap=minutes(5)))
    world.evaluate(*(volts(minute, 245) for minute in (0, 4, 8, 10)))
    assert last_words(world) == (
        "电压 245 V，高于限值 242 V（1月1日 08:08:00测得）。",
        "自1月1日 08:00:00起持续满 10 分钟，1月1日 08:10:00报警。",
    )


def test_a_pending_alert_is_explained_by_its_remaining_delay():
    world = World(rule())
    world.evaluate(volts(0, 245))
    assert last_words(world)[-1] == "这一情况须持续 10 分钟才会报警，从1月1日 08:00:00起计时。"
    world.evaluate(volts(1, 230))
    assert last_words(world) == (
        "电压 230 V，低于限值 238 V（1月1日 08:01:00测得）。",
        "情况没有持续到规定的时间，因此没有报警。",
    )


def test_a_recovery_is_explained_by_the_value_that_ended_it():
    world = World(rule(on_delay=timedelta()))
    world.evaluate(volts(0, 245), volts(1, 236))
    assert last_words(world)[0] == "电压 236 V，低于限值 238 V（1月1日 08:01:00测得）。"
    world.evaluate(volts(3, 235), volts(5, 235))
    world.tick(6)
    assert last_words(world)[-1] == "自1月1日 08:01:00起持续满 5 分钟，报警于1月1日 08:06:00结束。"


def test_a_recovery_without_until_is_explained_by_the_condition_that_no_longer_holds():
    world = World(rule(until=None, on_delay=timedelta(), off_delay=timedelta()))
    world.evaluate(volts(0, 245), volts(1, 236))
    assert last_words(world)[0] == "电压 236 V，没有高于限值 242 V（1月1日 08:01:00测得）。"


def test_any_is_explained_by_the_parts_that_held_and_all_by_every_part():
    low, high = Compare("voltage_v", "below", 200), Compare("voltage_v", "outside", (210, 242))
    world = World(rule(when=Any((low, high)), until=None, on_delay=timedelta()))
    world.evaluate(volts(0, 245))
    assert last_words(world)[0] == "电压 245 V，超出 210 V 至 242 V 的范围（1月1日 08:00:00测得）。"
    world = World(rule(when=All((Compare("voltage_v", "above", 240), high)), until=None, on_delay=timedelta()))
    world.evaluate(volts(0, 245))
    assert last_words(world)[0].count("；") == 1


def test_the_end_of_all_is_explained_by_the_parts_that_no_longer_hold():
    parts = (Compare("voltage_v", "above", 240), Compare("power_w", "above", 100))
    world = World(rule(when=All(parts), until=None, on_delay=timedelta(), off_delay=timedelta()))
    world.evaluate(volts(0, 245, power_w=200), volts(1, 246, power_w=50))
    assert last_words(world)[0] == "有功功率 50 W，没有高于限值 100 W（1月1日 08:01:00测得）。"


def test_a_window_is_explained_by_its_value():
    over = {"over": "1d", "minimum": "flow_m3_h", "above": 0.01}
    inputs = {"ts": "2026-01-01T00:00:00+00:00", "values": {"flow_m3_h_minimum_1d_gap_3h": 0.02}}
    sentences = ProcessTransition(
        kind="water_meter", from_phase="normal", to_phase="active", at=START, reason="condition",
        inputs={**inputs, "limits": {"when": over}},
    )  # fmt: skip
    assert explain(sentences)[0] == "1 天内瞬时流量最小值 0.02 m³/h，高于限值 0.01 m³/h（1月1日 08:00:00测得）。"


BALANCE = {"field": "volume_m3", "compared_with": "households", "over": "1d", "ratio": {"above": 1.1}}


def explain_balance(values, **stored):
    inputs = {"ts": "2026-01-01T00:00:00+00:00", "values": values, "limits": {"when": BALANCE}, **stored}
    transition = ProcessTransition(
        kind="water_meter", from_phase="normal", to_phase="active", at=START, reason="condition", inputs=inputs
    )
    return explain(transition)[0]


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("community", "volume_m3_per_households_community_1d"),
        ("building", "volume_m3_per_households_building_1d"),
        ("device", "volume_m3_per_households_1d"),
        ("device", "volume_m3_per_households_1d_gap_4h"),
    ],
)
@pytest.mark.parametrize("stored", [True, False], ids=["scope stored", "scope of an older version"])
def test_a_balance_is_explained_for_each_scope_and_gap(scope, value, stored):
    sentence = explain_balance({value: 1.2}, **({"scope": scope} if stored else {}))
    assert sentence == "1 天内累计用水量总表与分户表之比 1.2，高于限值 1.1（1月1日 08:00:00测得）。"


def test_the_stored_scope_chooses_the_value_of_that_scope():
    values = {"volume_m3_per_households_community_1d": 1.2, "volume_m3_per_households_building_1d": 1.3}
    assert "之比 1.3，" in explain_balance(values, scope="building")
    assert "之比 1.2，" in explain_balance(values, scope="community")


@pytest.mark.parametrize("scope", [None, 5, "street", ["building"], {}])
def test_an_unknown_scope_is_explained_as_that_of_an_older_version(scope):
    assert "之比 1.2，" in explain_balance({"volume_m3_per_households_building_1d": 1.2}, scope=scope)


def test_an_event_is_explained_by_its_name_and_time():
    world = World(event_rule(when=COVER, latch=True))
    world.evaluate(event(0, "cover_opened"))
    raised, latched = map(words, world.transitions)
    assert raised == ("设备报告“开表盖”（1月1日 08:00:00）。", "此类情况一次即报，1月1日 08:00:00报警。")
    assert latched[-1] == "按规则，报警须经人工确认才会结束。"


def test_an_event_without_until_ends_after_a_time_without_repetition():
    world = World(event_rule(when=COVER, off_delay=minutes(10)))
    world.evaluate(event(0, "cover_opened"))
    assert last_words(world) == ("此后须 10 分钟没有再次发生，报警才会结束，从1月1日 08:00:00起计时。",)
    world.tick(10)
    assert last_words(world) == ("自1月1日 08:00:00起 10 分钟没有再次发生，报警于1月1日 08:10:00结束。",)


def test_missing_data_is_explained_by_the_last_arrival_and_the_allowed_time():
    world = World(no_data_rule())
    world.tick(0)
    world.evaluate(volts(0, 230))
    world.tick(50)
    assert last_words(world)[0] == (
        "最后一次收到新数据是在1月1日 08:00:00，此后超过 3 个上报周期（每个 15 分钟）加 5 分钟没有新数据。"
    )
    world.evaluate(volts(60, 230))
    assert last_words(world) == ("设备恢复上报，数据于1月1日 09:00:00收到。", "报警于1月1日 09:00:00结束。")


def test_a_flag_and_a_choice_are_named_by_their_value_once():
    off = Any((Compare("relay_closed", "equals", limit=False), Compare("relay_closed", "equals", limit=False)))
    world = World(rule(when=off, until=None, on_delay=timedelta(), off_delay=timedelta()))
    world.evaluate(telemetry(0, relay_closed=False), telemetry(1, relay_closed=True))
    raised, cleared = world.transitions
    assert words(raised)[0] == "继电器闭合：否（1月1日 08:00:00测得）。"
    assert words(cleared)[0] == "继电器闭合：是（1月1日 08:01:00测得）。"


def test_a_closing_names_the_person_and_the_muted_condition():
    world = World(rule(on_delay=timedelta()))
    world.evaluate(volts(0, 245))
    (closed,) = world.engine.close("voltage_high", 7, at(5), "王师傅")
    assert words(closed) == (
        "王师傅 于1月1日 08:05:00关闭了报警。",
        "关闭时情况仍然存在：在系统看到它消失之前，同一问题不会再次报警。",
    )


def test_the_closing_of_a_danger_that_lasts_says_that_it_will_be_raised_again():
    world = World(rule(on_delay=timedelta(), severity=Severity.CRITICAL))
    world.evaluate(volts(0, 245))
    (closed,) = world.engine.close("voltage_high", 7, at(5), "王师傅")
    assert words(closed) == (
        "王师傅 于1月1日 08:05:00关闭了报警。",
        "关闭时情况还没有解除：事关人身安全，设备再次报告就会重新报警。",
    )


def test_a_condition_unknown_to_this_version_is_shown_as_json():
    sentences = ProcessTransition(
        kind="sundial", from_phase="normal", to_phase="active", at=START, reason="condition",
        inputs={"values": {"shade": 3}, "limits": {"when": {"moon": 5}, "until": None}},
    )  # fmt: skip
    assert explain(sentences)[0] == '{"moon": 5}。'


def test_empty_inputs_of_an_older_version_are_explained_by_the_times():
    sentences = ProcessTransition(
        kind="sundial", from_phase="normal", to_phase="active", at=START, reason="condition", inputs={}
    )
    assert explain(sentences) == ("此类情况一次即报，1月1日 08:00:00报警。",)


def test_times_are_local():
    assert local_time_zh(datetime(2026, 12, 31, 16, 0, 1, tzinfo=UTC)) == "1月1日 00:00:01"


_NAMES = ("voltage_v", "power_w", "cover_opened", "households", "above", "1h", "15m", 3, 240.5, True, None)
_WORDS = (
    "field", "above", "below", "equals", "outside", "stays", "rate", "per", "over", "minimum", "increase", "repeats",
    "within", "of", "event", "compared_with", "ratio", "difference", "all", "any", "not", "moon",
)  # fmt: skip


@given(
    limits=st.recursive(
        st.sampled_from(_NAMES),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
        max_leaves=8,
    ),
    values=st.dictionaries(
        st.sampled_from(["voltage_v", "power_w", "voltage_v_stays_1h"]), st.sampled_from([1, 250.5])
    ),
    phase=st.sampled_from([*Phase, "historical"]),
    scope=st.sampled_from([None, "device", "community", "street", 1]),
)
def test_any_stored_inputs_are_explained_without_an_error(limits, values, phase, scope):
    sample = {"ts": "2026-01-01T00:00:00+00:00", "values": values}
    inputs = {
        **sample,
        "cleared": sample,
        "limits": {"when": limits, "until": limits},
        "on_delay": "10m",
        "scope": scope,
    }
    sentences = ProcessTransition(
        kind="electricity_meter", from_phase="normal", to_phase=phase, at=START, reason="condition", inputs=inputs
    )
    assert all(sentence.endswith("。") for sentence in explain(sentences))


@pytest.mark.parametrize("shipped", SHIPPED.rules, ids=lambda rule: rule.name)
def test_every_step_of_every_built_in_rule_is_explained_in_chinese(shipped):
    for transition in played(shipped):
        sentences = words(transition, shipped.kind)
        assert sentences, transition
        for sentence in sentences:
            assert sentence.endswith("。")
            assert not set(sentence) & set('{}"')
            assert "None" not in sentence
            assert "未知" not in sentence


def played(shipped):
    device = Device(1, "example", "example", shipped.kind)
    for example in shipped.examples:
        engine = Engine(RulePack((shipped,)), START, lambda _: device)
        for step in example:
            now = START + step.at
            yield from engine.tick(now, caught_up=True)
            if step.arrives or step.event:
                sample = Sample(device.id, now, now, step.values, step.event, step.data)
                yield from engine.evaluate(sample, shipped.kind, now)
