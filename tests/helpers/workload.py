"""Messages of a community of water meters under chaos: readings, arrays, halves of a reading, copies, events, garbage.

No reading has a field that ends an alert by a rule, so each event raises exactly one alert, whenever it arrives.
"""

import json
from typing import Any

COMMUNITY = "hundun"
KIND = "water_meter"
METERS = 1000
EVENTS = ("leak_detected", "burst_detected", "reverse_flow", "frozen", "battery_low", "magnetic_interference")
_LAST_GARBAGE = 400_000


def devices(number: int = METERS) -> list[tuple[str, str]]:
    return [(f"w{n}", KIND) for n in range(number)]


def topic(meter: int, channel: str = "telemetry") -> str:
    return f"anju/v1/{COMMUNITY}/{KIND}/w{meter}/{channel}"


def message(n: int, started_ms: float, step_ms: float) -> tuple[str, bytes]:
    """Return message number `n` of a stream that began at `started_ms` (since 1970) and has one every `step_ms`.

    Of a thousand messages 10 are events (until each meter has reported each of its six), 100 are arrays, 100 are the
    two halves of fifty readings, 50 repeat the message before them, and one is garbage and one an array with an
    impossible reading in it: ingest stores no more than a thousand of those an hour for the oracle to find.
    """
    ts, meter = round(started_ms + n * step_ms), n % METERS
    hundreds, in_hundred = divmod(n, 100)
    if in_hundred == 50 and hundreds < len(EVENTS) * METERS:
        reporting, name = divmod(hundreds, len(EVENTS))
        return topic(reporting, "event"), _json({"ts": ts, "event": EVENTS[name], "id": str(n)})
    if n % 1000 == 70 and n < _LAST_GARBAGE:
        return topic(n // 1000 % METERS), f'{{"ts": {ts}, "number": {n}'.encode()
    if in_hundred % 10 == 3:
        items = [reading(ts - age, volume_m3=float(n % 90_000), pressure_mpa=0.3) for age in range(3)]
        if n % 1000 == 503 and n < _LAST_GARBAGE:
            items[1]["values"]["volume_m3"] = -1.0 - n
        return topic(n // 1000 % METERS if n % 1000 == 503 else meter), _json(items)
    match in_hundred % 20:
        case 6:
            return topic((n - 1) % METERS), _json(reading(round(started_ms + (n - 1) * step_ms), pressure_mpa=0.2))
        case 9:
            return message(n - 1, started_ms, step_ms)
    return topic(meter), _json(reading(ts, volume_m3=float(n % 90_000)))


def reading(ts: int, **values: float) -> dict[str, Any]:
    return {"ts": ts, "values": values}


def _json(content: object) -> bytes:
    return json.dumps(content).encode()
