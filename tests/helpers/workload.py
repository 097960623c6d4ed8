"""What a community of water meters sends under chaos: readings, arrays, halves of a reading, copies, events, garbage.

The readings hold no field that a rule would end an alert by, so each event raises exactly one alert, whenever it comes.
"""

import json

COMMUNITY = "hundun"
KIND = "water_meter"
METERS = 1000
EVENTS = ("leak_detected", "burst_detected", "reverse_flow", "frozen", "battery_low", "magnetic_interference")


def devices() -> list[tuple[str, str]]:
    return [(f"w{n}", KIND) for n in range(METERS)]


def topic(meter: int, channel: str = "telemetry") -> str:
    return f"anju/v1/{COMMUNITY}/{KIND}/w{meter % METERS}/{channel}"


def message(n: int, started_ms: float, step_ms: float) -> tuple[str, bytes]:
    """Message number `n` of a stream that began at `started_ms` (since 1970) and has one every `step_ms`.

    Of a hundred messages one is an event (until each meter has reported each of its six), one is garbage, one is an
    array with an impossible reading in it, nine are arrays of good ones, five repeat the message before them, and ten
    are the two halves of five readings.
    """
    ts = round(started_ms + n * step_ms)
    number, in_hundred = divmod(n, 100)
    if in_hundred == 50 and number < len(EVENTS) * METERS:
        meter, name = divmod(number, len(EVENTS))
        return topic(meter, "event"), _json({"ts": ts, "event": EVENTS[name], "id": str(n)})
    if in_hundred == 70:
        return topic(n), f'{{"ts": {ts}, "number": {n}'.encode()
    if in_hundred % 10 == 3:
        items = [reading(ts - age, volume_m3=float(n % 90_000), pressure_mpa=0.3) for age in range(3)]
        if in_hundred == 3:
            items[1]["values"]["volume_m3"] = -1.0 - n
        return topic(n), _json(items)
    match in_hundred % 20:
        case 6:
            return topic(n - 1), _json(reading(round(started_ms + (n - 1) * step_ms), pressure_mpa=0.2))
        case 9:
            return message(n - 1, started_ms, step_ms)
    return topic(n), _json(reading(ts, volume_m3=float(n % 90_000)))


def reading(ts: int, **values: float) -> dict[str, object]:
    return {"ts": ts, "values": values}


def _json(content: object) -> bytes:
    return json.dumps(content).encode()
