"""All measurements, one after the other: `make bench`, or at full size `make bench FULL=1`."""

import sys

from benchmarks import alert_latency, drain, live, rules_engine

FULL = sys.argv[1:] == ["--full"]

rules_engine.main()
drain.main(500_000 if FULL else 100_000)
live.main(15_000, 300 if FULL else 60)
alert_latency.main(None, 300 if FULL else 60)
