"""Costs a message of the decoder and of the limit on a device: `python -m benchmarks.decoder`."""

import gc
import json
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import process_time

from devices.device import Device
from devices.payload import decode, find_sender
from devices.privacy import Pseudonymiser
from ingest.device_limit import BURST_BYTES, BYTES_PER_S, DeviceLimit, TokenBuckets
from ingest.receiver import Message

_NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
_READINGS = 50
_MESSAGES = 10_000
_RUNS = 5
_METERS = [Device(n + 1, "c", f"m{n}", "electricity_meter", gateway="g") for n in range(_MESSAGES)]
_GATEWAY = Device(_MESSAGES + 1, "c", "g", "gateway")
_REGISTRY = {(device.community, device.name): device for device in (*_METERS, _GATEWAY)}
_VALUES = {"energy_kwh": 1234.5, "power_w": 350.1, "voltage_v": 230.1}
_PSEUDONYMISER = Pseudonymiser(b"a key for measuring")


def _find(community: str, name: str) -> Device | None:
    return _REGISTRY.get((community, name))


def _topic(device: Device) -> str:
    return f"anju/v1/c/{device.kind}/{device.name}/telemetry"


def _item(**more: str) -> dict[str, object]:
    return {"ts": round(_NOW.timestamp() * 1000), **more, "values": _VALUES}


def _decode_all(topics: list[str], payload: bytes) -> None:
    for topic in topics:
        decode(topic, payload, _NOW, _find, _PSEUDONYMISER)


def _report(label: str, parts: int, work: Callable[[], None]) -> None:
    """Print median and range of the CPU time of one part of the work."""
    figures = []
    for _ in range(_RUNS):
        began = process_time()
        work()
        figures.append((process_time() - began) / parts * 1e6)
    low, median, high = min(figures), statistics.median(figures), max(figures)
    sys.stdout.write(f"{median:6.2f} µs ({low:.2f} to {high:.2f}): {label}\n")


def main() -> None:
    """Print CPU microseconds, medians of five."""
    single = json.dumps(_item()).encode()
    behind = [_item(kind=meter.kind, device=meter.name) for meter in _METERS[:_READINGS]]
    gateway, gateway_topics = json.dumps(behind).encode(), [_topic(_GATEWAY)] * (_MESSAGES // _READINGS)
    topics = [_topic(meter) for meter in _METERS]
    messages = [Message(topic, single, _NOW, redelivered=False, packet_id=1) for topic in topics]
    flood = [messages[0]] * _MESSAGES
    flooded = DeviceLimit(TokenBuckets(BURST_BYTES / BYTES_PER_S, BYTES_PER_S, full_at_s={1: 1e9}))
    gc.freeze()
    _report("decoding, a reading alone in its message", _MESSAGES, lambda: _decode_all(topics, single))
    _report(
        f"decoding, a reading among {_READINGS} of a gateway", _MESSAGES, lambda: _decode_all(gateway_topics, gateway)
    )
    _report("the bound, a message that is admitted", _MESSAGES, lambda: _admit(messages))
    _report("the bound, a message in excess", _MESSAGES, lambda: _admit(flood, flooded))


def _admit(messages: list[Message], limit: DeviceLimit | None = None) -> None:
    (limit or DeviceLimit()).charge(messages, partial(find_sender, find_device=_find), now_s=0)


if __name__ == "__main__":
    main()
