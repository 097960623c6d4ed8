"""All measurements, one after the other: `make bench`."""

from benchmarks import alert_latency, drain, rules_engine

rules_engine.main()
alert_latency.main()
drain.main(100_000)
