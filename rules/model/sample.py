"""What the rules are shown: one telemetry sample or one event of one device."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from devices.kind import Value


class Sample(NamedTuple):
    """One accepted message item.

    `ts` is the device's time, `received_at` ours, both aware and in UTC. `values` are the fields in the units of the
    kind, empty for an event; `data` is what came with the event `event`, personal values only as `<name>_hash` and
    `<name>_masked`.
    """

    device_id: int
    ts: datetime
    received_at: datetime
    values: Mapping[str, Value]
    event: str | None = None
    data: Mapping[str, object] = {}
