"""Prometheus metrics of ingest, served on a port of their own.

With several partitions each worker writes its metrics to a file in the folder of PROMETHEUS_MULTIPROC_DIR, and the
process that started the workers serves the sum. A metric that cannot be summed has the partition as a label.
"""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("anju_messages_received", "MQTT messages taken from the broker", ["redelivered"])
ITEMS = Counter("anju_items", "Items of messages, by outcome", ["outcome"])
REJECTIONS = Counter("anju_rejections", "Items rejected, by reason", ["reason"])
TRANSITIONS = Counter("anju_rule_transitions", "Transitions of rules, by the new phase", ["to"])
RULES_REFUSED = Counter("anju_rules_refused", "Changes of rule files that were refused as invalid")
BATCH_MESSAGES = Histogram(
    "anju_batch_messages", "Messages in one transaction", buckets=(1, 3, 10, 30, 100, 300, 1000, 3000)
)
BATCH_SECONDS = Histogram(
    "anju_batch_seconds",
    "From the start of a batch to its commit",
    buckets=(0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
GC_PAUSE_SECONDS = Histogram(
    "anju_gc_pause_seconds",
    "Pauses of ingest for a garbage collection",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1),
)
DATABASE_FAILURES = Counter("anju_database_failures", "Transactions that failed because the database was not available")


def _of_partition(name: str, text: str) -> Gauge:
    return Gauge(name, text, ["partition"], multiprocess_mode="livemostrecent")


BUFFERED = _of_partition("anju_buffered_messages", "Messages received and not yet in a batch")
SPOOLED_MESSAGES = _of_partition("anju_spooled_messages", "Messages that wait in the spool")
SPOOLED_BYTES = _of_partition("anju_spooled_bytes", "Bytes that wait in the spool, with those of its rows")
SUBSCRIBED = _of_partition("anju_ingest_subscribed", "1 while the session with the broker stands, else 0")
LIVE = _of_partition("anju_ingest_live", "1 while ingest is caught up, 0 while it catches up or is cut off")
