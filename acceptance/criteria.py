"""Acceptance criteria, as data. Any change here changes `CRITERIA_VERSION`, which every report names.

A figure counts as regulation or contract only with a source; all others are chosen by Anju and marked so. A limit
within an otherwise chosen criterion (5 s for the event of a door) names its own source.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal

from acceptance.criterion import (
    Basis,
    Coverage,
    Criterion,
    EventDelivery,
    Inspection,
    ManualCriterion,
    MeasuredCriterion,
    Medium,
    OnlineRate,
    ReadSuccess,
    Target,
    WitnessedDelivery,
)
from acceptance.plan_items import PLAN_ITEMS, Method

SLOT_TOLERANCE = Decimal("0.1")
"""Reporting periods by which a reading may miss its slot and still fill it."""

_DAY = timedelta(days=1)
_ALARM_LIMIT = timedelta(seconds=30)
_CHOSEN = "自定指标，供参考"
_UNCONFIRMED = "出处待核，核实前按自定指标处理"
_ONE_HOUSEHOLD_ONE_METER = "鄂府发〔2021〕51号附件4要求一户一表；以100 %作为合格线为自定"
_REDWOOD = "美国Redwood City智能水表采购合同的抄读指标（3日），并非本项目合同"
_NATIONAL_VIDEO = "发改高技〔2015〕996号的完好率目标；在线不等于完好，以98 %为在线率合格线为自定"
_CHARGING_UPTIME = "参照美国23 CFR 680.116的可用率（大于97 %）；在线不等于可用，以97 %为在线率合格线为自定"
_EVERY_TEST = "自定指标：每次现场测试的报警均须送达，30 s为自定"
_EBIKE_AVAILABILITY = "自定指标：可用率不低于95 %，以在线率表示"


def _share(at_least: str, *, days: int, minimum_sample: int) -> Target:
    return Target(Decimal(at_least), days * _DAY, minimum_sample)


_METERING = (
    MeasuredCriterion(
        "water.coverage", ("basic.metering.water",), "水表覆盖率",
        Coverage(Medium.WATER, "water_meter", "volume_m3", _DAY),
        _share("1", days=1, minimum_sample=1), Basis.CHOSEN, _ONE_HOUSEHOLD_ONE_METER, required=True,
    ),
    MeasuredCriterion(
        "water.read_success", ("basic.metering.water",), "水表抄读成功率",
        ReadSuccess("water_meter", "volume_m3"),
        _share("0.985", days=3, minimum_sample=500), Basis.CONTRACT, _REDWOOD, required=True,
    ),
    MeasuredCriterion(
        "electricity.coverage", ("basic.metering.electricity",), "电表覆盖率",
        Coverage(Medium.ELECTRICITY, "electricity_meter", "energy_kwh", _DAY),
        _share("1", days=1, minimum_sample=1), Basis.CHOSEN, _ONE_HOUSEHOLD_ONE_METER, required=True,
    ),
    MeasuredCriterion(
        "electricity.read_success", ("basic.metering.electricity",), "电表抄读成功率",
        ReadSuccess("electricity_meter", "energy_kwh"),
        _share("0.99", days=7, minimum_sample=500), Basis.CHOSEN, _CHOSEN, required=True,
    ),
    MeasuredCriterion(
        "gas.coverage", ("basic.metering.gas",), "燃气表覆盖率",
        Coverage(Medium.GAS, "gas_meter", "volume_m3", _DAY),
        _share("1", days=1, minimum_sample=1), Basis.CHOSEN, _ONE_HOUSEHOLD_ONE_METER, required=True,
    ),
    MeasuredCriterion(
        "gas.read_success", ("basic.metering.gas",), "燃气表抄读成功率",
        ReadSuccess("gas_meter", "volume_m3"),
        _share("0.99", days=7, minimum_sample=500), Basis.CHOSEN, _CHOSEN, required=True,
    ),
    MeasuredCriterion(
        "gas.leak_delivery", ("basic.metering.gas",), "燃气泄漏报警送达率",
        WitnessedDelivery("gas_meter", ("gas_leak",), _ALARM_LIMIT),
        _share("1", days=1, minimum_sample=1), Basis.CHOSEN, _EVERY_TEST,
    ),
    MeasuredCriterion(
        "heat.read_success", ("basic.heating", "improved.insulation"), "热量表抄读成功率",
        ReadSuccess("heat_meter", "energy_kwh"),
        _share("0.99", days=7, minimum_sample=100), Basis.CHOSEN, _CHOSEN,
    ),
    MeasuredCriterion(
        "gateway.online",
        ("basic.metering.water", "basic.metering.electricity", "basic.metering.gas", "basic.heating"),
        "采集网关在线率", OnlineRate("gateway"),
        _share("0.95", days=3, minimum_sample=1_000), Basis.CHOSEN, _CHOSEN,
    ),
)  # fmt: skip

_FACILITIES = (
    MeasuredCriterion(
        "video.online", ("basic.video",), "摄像机在线率", OnlineRate("camera"),
        _share("0.98", days=3, minimum_sample=1_000), Basis.CHOSEN, _NATIONAL_VIDEO, required=True,
    ),
    MeasuredCriterion(
        "access.online", ("basic.access",), "门禁在线率", OnlineRate("access_control"),
        _share("0.95", days=3, minimum_sample=1_000), Basis.CHOSEN, _CHOSEN, required=True,
    ),
    MeasuredCriterion(
        "access.event_delivery", ("basic.access",), "门禁事件送达率",
        EventDelivery(
            "access_control",
            ("unlocked", "unlock_refused", "door_opened", "door_closed", "door_forced", "door_held_open", "tampered",
             "duress"),
            timedelta(seconds=5),
        ),
        _share("0.99", days=1, minimum_sample=30), Basis.CHOSEN, "时限5 s取自GB 50396；99 %为自定", required=True,
    ),
    MeasuredCriterion(
        "charging_car.online", ("improved.charging.car",), "汽车充电桩在线率", OnlineRate("ev_charger"),
        _share("0.97", days=3, minimum_sample=1_000), Basis.CHOSEN, _CHARGING_UPTIME,
    ),
    MeasuredCriterion(
        "charging_ebike.online", ("improved.charging.ebike",), "电动自行车充电桩在线率", OnlineRate("ebike_charger"),
        _share("0.95", days=3, minimum_sample=1_000), Basis.CHOSEN, _EBIKE_AVAILABILITY,
    ),
    MeasuredCriterion(
        "charging_ebike.over_temperature_delivery", ("improved.charging.ebike",), "充电过温报警送达率",
        WitnessedDelivery("ebike_charger", ("over_temperature",), _ALARM_LIMIT),
        _share("1", days=1, minimum_sample=1), Basis.CHOSEN, _EVERY_TEST,
    ),
    MeasuredCriterion(
        "charging_ebike.smoke_delivery", ("improved.charging.ebike",), "充电柜烟雾报警送达率",
        WitnessedDelivery("ebike_charger", ("smoke_detected",), _ALARM_LIMIT),
        _share("1", days=1, minimum_sample=1), Basis.CHOSEN, _EVERY_TEST,
    ),
    MeasuredCriterion(
        "vehicle_gate.online", ("upgraded.vehicle_gate",), "车辆道闸在线率", OnlineRate("vehicle_gate"),
        _share("0.95", days=3, minimum_sample=1_000), Basis.CHOSEN, _CHOSEN,
    ),
)  # fmt: skip


def _inspection(
    identifier: str, title: str, requirement: str, basis: Basis = Basis.CHOSEN, source: str = _CHOSEN
) -> ManualCriterion:
    """Make a manual criterion; its id is the id of its plan item with a name appended."""
    item = identifier.rpartition(".")[0]
    return ManualCriterion(identifier, (item,), title, Inspection(requirement), basis, source)


_NOT_MEASURED_YET = (
    _inspection("basic.drainage.cover_alarm", "井盖开启报警", "井盖开启后30 s内报警送达", Basis.REGULATION,
                "GB/T 41401"),
    _inspection("basic.waste.overflow", "垃圾满溢清运", "满溢后24 h内清运"),
    _inspection("basic.metering.water.bulk_meter", "小区总水表", "总表安装并可读数"),
    _inspection("basic.metering.electricity.bulk_meter", "小区总电表", "总表安装并可读数"),
    _inspection("basic.heating.room_temperature", "室内温度", "供暖期室温不低于18 ℃"),
    _inspection("basic.telecom.link", "光纤链路", "链路可用率不低于99 %"),
    _inspection("basic.fire.alarm", "火灾报警", "火警10 s内发出", source=_UNCONFIRMED),
    _inspection("basic.building.condition", "楼体公共部位", "屋面、外墙、楼梯、扶手现场查验"),
    _inspection("basic.building.lamps", "楼道灯", "完好率不低于96 %"),
    _inspection("basic.lighting.lit", "路灯亮灯率与完好率", "亮灯率不低于96 %，完好率不低于99 %",
                Basis.REGULATION, "长沙市关于居住区道路照明的规定（外地，借鉴）"),
    _inspection("basic.video.intact", "摄像机完好率", "重点公共区域不低于98 %，其他不低于95 %",
                Basis.REGULATION, "发改高技〔2015〕996号"),
    _inspection("basic.video.recording", "录像保存", "录像保存不少于30天"),
    _inspection("basic.access.unlock", "开门响应", "识别后2 s内开门", Basis.REGULATION, "GB 50396"),
    _inspection("improved.insulation.heat", "单位面积耗热量", "按度日折算后低于改造前记录"),
    _inspection("improved.parking.sensors", "车位检测器", "在线率不低于95 %"),
    _inspection("improved.charging.car.uptime", "汽车充电桩可用率", "可用率大于97 %",
                Basis.REGULATION, "美国23 CFR 680.116（外国规章，借鉴）"),
    _inspection("improved.elevator.entrapment", "电梯困人",
                "困人报警送达，30 min内到场解救", source=_UNCONFIRMED),
    _inspection("improved.accessibility.button", "紧急求助按钮", "每次测试求助均送达"),
    _inspection("improved.mailbox.online", "智能信包箱", "在线率不低于95 %"),
    _inspection("improved.parcel.online", "智能快件箱", "在线率不低于95 %"),
    _inspection("upgraded.vehicle_gate.recognition", "车牌识别率",
                "不少于24 h、1000次通行中识别率不低于95 %"),
    _inspection("upgraded.sensing.alarm", "周界报警",
                "测试报警无漏报，5 s内响应", source="无漏报取自GB 50394；5 s为自定"),
)  # fmt: skip

_BY_PERSON = tuple(
    _inspection(f"{item.id}.inspection", item.title, "现场查验并附记录", source=item.source)
    for item in PLAN_ITEMS
    if item.method is Method.MANUAL
)

MEASURED: tuple[MeasuredCriterion, ...] = _METERING + _FACILITIES

CRITERIA: tuple[Criterion, ...] = MEASURED + _NOT_MEASURED_YET + _BY_PERSON

DEFAULT_WINDOW: timedelta = max(criterion.target.window for criterion in MEASURED)
"""Shortest window that satisfies every criterion."""


def version_of(criteria: Iterable[Criterion]) -> str:
    """Return the SHA-256 of the criteria and of the slot tolerance, in hexadecimal."""
    content = [{"measure_type": type(each.measure).__name__, **asdict(each)} for each in criteria]
    text = json.dumps([content, str(SLOT_TOLERANCE)], default=_plain, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> int | str:
    """Encode values unknown to JSON: spans as seconds, decimals as text."""
    return int(value.total_seconds()) if isinstance(value, timedelta) else str(value)


CRITERIA_VERSION: str = version_of(CRITERIA)
