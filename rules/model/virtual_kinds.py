"""Virtual kinds: the ingest pipeline and device groups, to which rules apply as to devices.

So the lag of ingest, or the failure of a whole building, is an ordinary rule and an ordinary alert.
"""

from collections.abc import Mapping
from datetime import timedelta

from devices.catalogue import KIND_BY_NAME
from devices.kind import DeviceKind, Flag, Gauge, Interval

PIPELINE = DeviceKind(
    name="pipeline",
    zh="数据接入",
    en="data ingestion",
    fields=(
        Flag("behind", "接入滞后", "ingestion behind"),
        Flag("undelivered", "通知未送达", "notices undelivered"),
    ),
    events=(),
    reporting_period=timedelta(seconds=10),
    plan_items=(),
    standards=(),
)

DEVICE_GROUP = DeviceKind(
    name="family",
    zh="成组设备",
    en="devices of one gateway or building",
    fields=(
        Flag("outage", "成组离线", "most are silent"),
        Gauge("children_silent", "台", Interval(0, 1_000_000), "无数据的设备数", "devices that are silent"),
        Gauge("children_expected", "台", Interval(0, 1_000_000), "应上报的设备数", "devices that should have reported"),
    ),
    events=(),
    reporting_period=timedelta(minutes=1),
    plan_items=(),
    standards=(),
)

RULE_KINDS: Mapping[str, DeviceKind] = {**KIND_BY_NAME, PIPELINE.name: PIPELINE, DEVICE_GROUP.name: DEVICE_GROUP}
