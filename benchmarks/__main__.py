"""All measurements in sequence: `make bench`, or at full size `make bench FULL=1`."""

import sys

from benchmarks import (
    alert_latency,
    alert_storm,
    backtest,
    drain,
    gateways,
    growth,
    live,
    logins,
    memory,
    receive,
    rules_engine,
    rules_state,
    verification,
)

if __name__ == "__main__":
    full = sys.argv[1:] == ["--full"]
    rules_engine.main()
    rules_state.main()
    backtest.main()
    verification.main(10_000 if full else 1_000)
    drain.main(500_000 if full else 100_000)
    receive.main()
    gateways.main(2_000_000 if full else 500_000)
    highest = live.main(15_000, 300 if full else 60)
    alert_latency.main(alert_latency.SHARE * highest, 300 if full else 60)
    alert_storm.main(50_000 if full else 10_000, 60 if full else 12)
    logins.main(10_000, 400_000 if full else 100_000)
    memory.main(3_600_000 if full else 800_000)
    growth.main(*((200_000, 100_000_000) if full else (40_000, 4_000_000)))
