"""How fast ingest drains a backlog, and what it costs: `python -m benchmarks.drain [MESSAGES]`.

A backlog of QoS 1 messages of one reading each, from 5,000 devices, with every rule on. Prints the median rate of five
runs with its spread, and the CPU of ingest per message.
"""

import json
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

from benchmarks.installation import COMMUNITY, Installation, installation
from simulators.publisher import Publisher
from store.database import Connection, connect

_RUNS = 5
_DEVICES = 5_000
_TICKS_A_SECOND = 100


def main(messages: int) -> None:
    """Measure and print."""
    rates, costs = [], []
    with installation(_DEVICES, "electricity_meter") as anju:
        for run in range(_RUNS):
            rate, cost = _run(anju, messages, time.time_ns() // 1_000_000 - 3_600_000 + run * messages)
            rates.append(rate)
            costs.append(cost)
    sys.stdout.write(
        f"{messages} messages, {_RUNS} runs: median {statistics.median(rates):,.0f} messages/s "
        f"({min(rates):,.0f} to {max(rates):,.0f}), ingest {statistics.median(costs):.0f} CPU us a message; "
        "the publisher works on the same cores\n"
    )


def _run(anju: Installation, messages: int, first_ms: int) -> tuple[float, float]:
    with closing(connect(anju.services.database_url, application_name="benchmark")) as connection:
        connection.autocommit = True
        before, cpu = _stored(connection), _cpu_s(anju.ingest)
        began = time.monotonic()
        with Publisher(anju.services.publish_mqtt_url) as publisher:
            for n in range(messages):
                payload = {"ts": first_ms + n // _DEVICES, "values": {"power_w": 350, "voltage_v": 220.5}}
                topic = f"anju/v1/{COMMUNITY}/electricity_meter/d{n % _DEVICES}/telemetry"
                publisher.publish(topic, json.dumps(payload).encode())
        while _stored(connection) < before + messages:
            time.sleep(0.05)
        return messages / (time.monotonic() - began), (_cpu_s(anju.ingest) - cpu) / messages * 1e6


def _stored(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM telemetry_electricity_meter").fetchone()
    return int(row[0]) if row else 0


def _cpu_s(pid: int) -> float:
    """User and system time of a process, in seconds (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
