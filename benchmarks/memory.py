"""Memory of ingest over the load of an hour: `python -m benchmarks.memory [MESSAGES [DEVICES]]`.

By default 400,000 registered devices send 3.6 million messages, an hour at 1,000 a second, as fast as possible. Goal:
under 400 MB of resident memory, without growth.
"""

import sys
import time

from benchmarks import load, report
from benchmarks.installation import ingest, installation, make_session, metric
from benchmarks.processes import resident_bytes
from benchmarks.traffic import meters, registry

_TENTHS = 10
_LOOK_S = 0.5
_STALLED_S = 120.0


def main(messages: int = 3_600_000, devices: int = 400_000) -> None:
    """Measure, print, and write the table into docs/performance.md."""
    with installation(registry(devices)) as anju:
        make_session(anju)
        with ingest(anju) as pid:
            sending = load.start(anju.services.publish_mqtt_url, meters(devices), messages)
            samples, greatest = [(0.0, resident_bytes(pid))], 0
            stored, last_progress = 0.0, time.monotonic()
            while stored < messages:
                time.sleep(_LOOK_S)
                before, stored = stored, metric(anju, "anju_items_total", outcome="stored")
                greatest = max(greatest, resident_bytes(pid))
                if stored * _TENTHS >= messages * len(samples):
                    samples.append((stored, resident_bytes(pid)))
                if stored > before:
                    last_progress = time.monotonic()
                elif time.monotonic() - last_progress > _STALLED_S:
                    raise TimeoutError(f"ingest has stored {stored:,.0f} of {messages:,} messages and then no more")
            sending.result()
    text = (
        f"{devices:,} registered devices, {messages:,} messages: {samples[0][1] / 1e6:.0f} MB when connected, "
        f"{samples[-1][1] / 1e6:.0f} MB at the end, at most {greatest / 1e6:.0f} MB. {report.machine()}.\n\n"
    )
    rows = [(f"{stored:,.0f}", f"{size / 1e6:.0f}") for stored, size in samples]
    report.publish("benchmarks.memory", text + report.table(("messages stored", "MB resident"), rows))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
