"""Acceptance criteria, as data. Any change here changes `CRITERIA_VERSION`, which every report names.

A figure counts as regulation or contract only with a source; all others are chosen by Anju and marked so. A limit
within an otherwise chosen criterion (5 s for the event of a door) names its own source.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal

from acceptance.checklist import CHECKLIST
from acceptance.criterion import (
    Basis,
    Coverage,
    Criterion,
    EventDelivery,
    MeasuredCriterion,
    Medium,
    OnlineRate,
    ReadSuccess,
    Target,
    WitnessedDelivery,
)
from devices.catalogue import KINDS

SLOT_TOLERANCE = Decimal("0.1")
"""Reporting periods by which a reading may miss its slot and still fill it."""

_DAY = timedelta(days=1)
_ALARM_LIMIT = timedelta(seconds=30)
_CHOSEN = "自定指标，供参考"
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
)  # fmt: skip


def _other_online_rates(given: Iterable[MeasuredCriterion]) -> Iterator[MeasuredCriterion]:
    """Yield the online rate of each kind that reports every minute and has none."""
    rated = {each.measure.kind for each in given if isinstance(each.measure, OnlineRate)}
    for kind in KINDS:
        if kind.reporting_period == timedelta(minutes=1) and kind.name not in rated:
            yield MeasuredCriterion(
                f"{kind.name}.online", kind.plan_items, f"{kind.zh}在线率", OnlineRate(kind.name),
                _share("0.95", days=3, minimum_sample=1_000), Basis.CHOSEN, _CHOSEN,
            )  # fmt: skip


_GIVEN = _METERING + _FACILITIES
MEASURED: tuple[MeasuredCriterion, ...] = (*_GIVEN, *_other_online_rates(_GIVEN))

CRITERIA: tuple[Criterion, ...] = MEASURED + CHECKLIST

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
