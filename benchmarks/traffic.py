"""Messages of devices for the measurements: precomposed rounds from electricity meters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

COMMUNITIES = 40
KIND = "electricity_meter"
TIME = b"<time>"
"""Stands in a payload for the time of its readings."""


def epoch_ms(ms: int) -> bytes:
    """Return a time in the format of most devices, with the length of a present one."""
    return b"%013d" % ms


def timestamp(ms: int) -> bytes:
    """Return a time in the format of PostgreSQL."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").encode()


@dataclass(frozen=True, slots=True)
class Round:
    """One message a topic.

    `devices` holds community and device of each message's last reading, `readings` the number of readings a message.
    `write_time` formats the time in place of `TIME`.
    """

    messages: tuple[tuple[str, bytes], ...]
    devices: tuple[tuple[str, str], ...]
    readings: int = 1
    write_time: Callable[[int], bytes] = epoch_ms


def community(device: int) -> str:
    """Return the community of the device with that number."""
    return f"celiang-{device % COMMUNITIES}"


def meters(count: int) -> Round:
    """Return messages of one reading each, from meters d0, d1, ..."""
    payload = b'{"ts": %s, "values": {"energy_kwh": 1234.5, "power_w": 350, "voltage_v": 220.5}}' % TIME
    topics = (f"anju/v1/{community(n)}/{KIND}/d{n}/telemetry" for n in range(count))
    return Round(tuple((topic, payload) for topic in topics), tuple((community(n), f"d{n}") for n in range(count)))


def comma_separated(count: int) -> Round:
    """Return the same readings as lines of a table: device number, time, energy, power, voltage."""
    messages = tuple(
        (f"anju/v1/{community(n)}/{KIND}/d{n}/telemetry", b"%d,%s,1234.5,350,220.5" % (n + 1, TIME))
        for n in range(count)
    )
    return Round(messages, tuple((community(n), f"d{n}") for n in range(count)), write_time=timestamp)


def gateways(meters_count: int, readings: int) -> Round:
    """Return messages of `readings` readings each, from gateways g0, g1, ... with as many meters behind each."""
    messages, devices = [], []
    for gateway in range(meters_count // readings):
        items = (
            b'{"kind": "%s", "device": "d%d", "ts": %s, "values": {"energy_kwh": 1234.5, "power_w": 350}}'
            % (KIND.encode(), gateway * readings + n, TIME)
            for n in range(readings)
        )
        topic = f"anju/v1/{community(gateway)}/gateway/g{gateway}/telemetry"
        messages.append((topic, b"[%s]" % b", ".join(items)))
        devices.append((community(gateway), f"d{(gateway + 1) * readings - 1}"))
    return Round(tuple(messages), tuple(devices), readings)


def registry(meters_count: int, readings: int = 1) -> Iterator[dict[str, object]]:
    """Yield the rows of these devices for the import, gateways first if there are any."""
    if readings == 1:
        for n in range(meters_count):
            yield {"community": community(n), "device": f"d{n}", "kind": KIND, "simulated": True}
        return
    for g in range(meters_count // readings):
        yield {"community": community(g), "device": f"g{g}", "kind": "gateway", "simulated": True}
    for n in range(meters_count // readings * readings):
        place = {"community": community(n // readings), "gateway": f"g{n // readings}"}
        yield {**place, "device": f"d{n}", "kind": KIND, "simulated": True}
