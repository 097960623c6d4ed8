"""One alert explains another on the same device: two alerts never give opposite advice."""

import re
from datetime import timedelta

import pytest

from app.rule_files import rules_folder
from devices.device import Device
from rules.language.loader import RuleFileError, load_rules
from rules.model.rule import Severity
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.estate import Estate
from tests.unit.rules_fixtures.world import COVER, World, at, event, event_rule, rule, volts

# Words of an advice to operate the device, which a dangerous device forbids.
OPERATES = re.compile(r"复位|重启|旋出急停|拔枪|开门并|换电池|更换电池|随手关好|抬起放行")


def world(**of_explaining):
    """A cover alert that explains the voltage alert of the same meter."""
    cover = event_rule(
        name="cover", when=COVER, latch=True, explains=("voltage_high",), title="表盖打开", **of_explaining
    )
    return World(cover, rule(on_delay=timedelta(), off_delay=timedelta()))


def raised(world):
    return [(each.rule, [one.cause for one in each.suppressed]) for each in world.transitions if each.raises]


def test_the_later_alert_is_recorded_and_not_notified():
    one = world()
    one.evaluate(event(0, "cover_opened"), volts(1, 250))
    assert raised(one) == [("cover", []), ("voltage_high", ["caused_by_parent"])]


def test_the_earlier_alert_is_suppressed_as_soon_as_its_explanation_comes():
    one = world()
    one.evaluate(volts(0, 250), event(1, "cover_opened"))
    assert raised(one) == [("voltage_high", []), ("cover", [])]
    (merged,) = [each for each in one.transitions if each.rule == "voltage_high" and each.suppressed]
    assert merged.suppressed[0].detail == "表盖打开：原因相同，以这一条为准，已合并报警"


def test_on_another_device_nothing_is_explained():
    one = world()
    one.evaluate(event(0, "cover_opened"), volts(1, 250, device_id=8))
    assert raised(one) == [("cover", []), ("voltage_high", [])]


def test_a_latched_alert_explains_until_a_person_has_closed_it_then_the_other_is_notified():
    one = world(until=None)
    one.evaluate(event(0, "cover_opened"), *(volts(minute, 250) for minute in range(1, 4)))
    one.tick(60)
    assert not [each for each in one.transitions if each.reason == "parent"]
    one.close(61, "cover")
    for minute in range(62, 120):
        one.evaluate(volts(minute, 250))
        one.tick(minute)
    (released,) = [each for each in one.transitions if each.reason == "parent"]
    assert (released.rule, released.suppressed) == ("voltage_high", ())


def test_a_critical_alert_is_never_suppressed_by_an_explanation():
    cover = event_rule(name="cover", when=COVER, latch=True, explains=("voltage_high",))
    high = rule(on_delay=timedelta(), severity=Severity.CRITICAL)
    one = World(cover, high)
    one.evaluate(event(0, "cover_opened"), volts(1, 250))
    assert raised(one) == [("cover", []), ("voltage_high", [])]


@pytest.mark.parametrize(
    "critical", [one for one in SHIPPED.rules if one.severity is Severity.CRITICAL], ids=lambda one: one.name
)
def test_beside_a_danger_no_alert_of_the_same_device_tells_people_to_operate_it(critical):
    others = [each for each in SHIPPED.of_kind(critical.kind) if each.severity is not Severity.CRITICAL]
    operating = {each.name for each in others if OPERATES.search(each.advice)}
    assert operating <= set(critical.explains)


@pytest.mark.parametrize(
    "critical", [one for one in SHIPPED.rules if one.severity is Severity.CRITICAL], ids=lambda one: one.name
)
def test_a_danger_explains_that_its_device_falls_silent(critical):
    # Smoke burns the charger and the electrician switches it off: nobody is to have a look at it because of that.
    silent = {each.name for each in SHIPPED.of_kind(critical.kind) if each.no_data}
    assert silent
    assert silent <= set(critical.explains)


@pytest.mark.parametrize(
    ("explaining", "explained"),
    [
        ("electricity_neutral_fault", "electricity_cover_opened"),  # 不要触碰 beside 查看封印和接线
        ("electricity_neutral_fault", "electricity_power_lost"),  # 未修复前不要送电 beside 检查表前开关
        ("electricity_neutral_fault", "electricity_overload"),
        ("door_duress", "door_power_lost"),
        ("door_forced", "door_refused_often"),  # 不要单独上前 beside 帮忙开门
        ("ebike_cabinet_hot", "ebike_unavailable"),  # 断开电源 beside 尽快恢复
        ("ebike_port_fault", "ebike_unavailable"),
        ("ev_connector_hot", "ev_unavailable"),  # 停用该枪 beside 远程启用
        ("water_frozen", "water_valve_stuck"),  # 慢慢化开 beside 手动开关几次
    ],
)
def test_the_opposite_advice_is_explained(explaining, explained):
    rule_ = SHIPPED.find(explaining)
    assert rule_ is not None
    assert explained in rule_.explains


@pytest.mark.parametrize(
    ("kind", "danger", "silent"),
    [
        ("access_control", "duress", "door_silent"),
        ("ebike_charger", "smoke_detected", "ebike_silent"),
        ("ev_charger", "ground_fault", "ev_silent"),
        ("gas_meter", "gas_leak", "gas_silent"),
    ],
)
def test_a_dangerous_device_that_falls_silent_is_told_of_once_its_danger_is_closed(kind, danger, silent):
    estate = Estate([Device(1, "c1", "d1", kind), Device(2, "c1", "d2", kind)])
    estate.report(1, danger, 1)
    estate.live(2, 26 * 60, 2)
    (rule_,) = {each.rule for each in estate.transitions if each.raises} - {silent}
    assert estate.open == [f"-{silent} d1", f"{rule_} d1"]
    estate.transitions += estate.engine.close(rule_, 1, at(26 * 60), "li")
    estate.live(26 * 60 + 1, 28 * 60, 2)
    assert estate.told == [f"{silent} d1"]


@pytest.mark.parametrize("one", [each for each in SHIPPED.rules if each.explains], ids=lambda each: each.name)
def test_an_explanation_is_at_least_as_grave_and_goes_one_way(one):
    ranks = list(Severity)
    for name in one.explains:
        (other,) = (each for each in SHIPPED.rules if each.name == name)
        assert ranks.index(other.severity) <= ranks.index(one.severity)
        assert one.name not in other.explains


@pytest.mark.parametrize("named", ["voltage_hihg", "gas_leak", "electricity_cover_opened"])
def test_an_explained_rule_is_another_one_of_the_kind(tmp_path, named):
    text = (rules_folder(None) / "electricity_meter.yaml").read_text("utf-8")
    head = "- name: electricity_cover_opened\n  kind: electricity_meter\n"
    assert head in text
    (tmp_path / "electricity_meter.yaml").write_text(text.replace(head, f"{head}  explains: [{named}]\n"), "utf-8")
    with pytest.raises(RuleFileError, match=f"`explains` of electricity_cover_opened names '{named}'"):
        load_rules(tmp_path)
