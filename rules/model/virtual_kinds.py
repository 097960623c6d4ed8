"""Virtual kinds: the ingest pipeline and device groups, to which rules apply as to devices.

So the lag of ingest, or the failure of a whole building, is an ordinary rule and an ordinary alert.
"""

from collections.abc import Mapping
from datetime import timedelta

from devices.catalogue import KIND_BY_NAME
from devices.kind import Choice, DeviceKind, Flag, Gauge, Interval

PIPELINE = DeviceKind(
    name="pipeline",
    zh="数据接入",
    en="data ingestion",
    fields=(
        Flag("behind", "接入滞后", "ingestion behind"),
        Flag("undelivered", "通知未送达", "notices undelivered"),
        Flag("refused", "拒收数据", "data refused"),
        Choice("refused_devices", {}, "被拒收数据的设备", "devices whose data were refused"),
        Flag("session_lost", "接收队列丢失", "queue of ingestion lost"),
        Choice("lost_span", {}, "可能缺数据的时段", "time whose data may be missing"),
    ),
    events=(),
    reporting_period=timedelta(seconds=10),
    plan_items=(),
    standards=(),
)

OUTAGE = "outage"
"""The symptom of a device group most of whose devices have no data."""

POWER_LOST = "power_lost"
"""The symptom of a device group most of whose devices have no mains."""

DEVICE_GROUP = DeviceKind(
    name="family",
    zh="成组设备",
    en="devices of one gateway or place",
    fields=(
        Flag(OUTAGE, "成组离线", "most are silent"),
        Flag(POWER_LOST, "成片停电", "most are without power"),
        Flag("voltage_high", "成片电压偏高", "most have a high voltage"),
        Flag("voltage_low", "成片电压偏低", "most have a low voltage"),
        Flag("water_lost", "成片停水", "most are without water"),
        Flag("heat_lost", "成片停暖", "most are without heat"),
        Flag("heat_low", "成片供热温度低", "most have a low supply temperature"),
        Flag("gas_pressure", "成片燃气压力异常", "most have an abnormal gas pressure"),
        Flag("video_lost", "成组视频丢失", "most are without video"),
        Gauge("children_affected", "台", Interval(0, 1_000_000), "受影响的设备数", "devices that are affected"),
        Gauge("children_silent", "台", Interval(0, 1_000_000), "无数据的设备数", "devices that are silent"),
        Gauge("children_expected", "台", Interval(0, 1_000_000), "应上报的设备数", "devices that should have reported"),
    ),
    events=(),
    reporting_period=timedelta(minutes=1),
    plan_items=(),
    standards=(),
)

SYMPTOMS = tuple(field.name for field in DEVICE_GROUP.fields if isinstance(field, Flag))
"""What most devices of a group can have in common: the flags of the kind `family`."""

RULE_KINDS: Mapping[str, DeviceKind] = {**KIND_BY_NAME, PIPELINE.name: PIPELINE, DEVICE_GROUP.name: DEVICE_GROUP}
