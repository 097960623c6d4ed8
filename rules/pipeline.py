"""Our own ingest pipeline as a device kind, so that falling behind is an ordinary rule and an ordinary alert."""

from collections.abc import Mapping
from datetime import timedelta

from devices.catalogue import KIND_BY_NAME
from devices.kind import DeviceKind, Flag

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

RULE_KINDS: Mapping[str, DeviceKind] = {**KIND_BY_NAME, PIPELINE.name: PIPELINE}
