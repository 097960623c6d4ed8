"""What an operator can see of ingest: Prometheus metrics, served on a port of its own.

With several partitions each worker writes its own to a file of the folder that PROMETHEUS_MULTIPROC_DIR names, and the
process that started them serves the sum. What can't be added has the partition as a label.
"""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("anju_messages_received", "MQTT messages taken from the broker", ["redelivered"])
ITEMS = Counter("anju_items", "Items of messages by what became of them", ["outcome"])
REJECTIONS = Counter("anju_rejections", "Items rejected, by reason", ["reason"])
TRANSITIONS = Counter("anju_rule_transitions", "Steps of rules on the process axis, by the phase they led to", ["to"])
RULES_REFUSED = Counter("anju_rules_refused", "Changes of the rule files that could not be used")
BATCH_MESSAGES = Histogram(
    "anju_batch_messages", "Messages in one transaction", buckets=(1, 3, 10, 30, 100, 300, 1000, 3000)
)
BATCH_SECONDS = Histogram(
    "anju_batch_seconds", "From taking a batch to its commit", buckets=(0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
)
GC_PAUSE_SECONDS = Histogram(
    "anju_gc_pause_seconds",
    "Collections of garbage, during which nothing else happens",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1),
)
DATABASE_FAILURES = Counter("anju_database_failures", "Transactions that failed because the database was not available")


def _of_partition(name: str, text: str) -> Gauge:
    return Gauge(name, text, ["partition"], multiprocess_mode="livemostrecent")


BUFFERED = _of_partition("anju_buffered_messages", "Messages received and not yet taken")
SUBSCRIBED = _of_partition("anju_ingest_subscribed", "1 while the session with the broker stands")
LIVE = _of_partition("anju_ingest_live", "1 while ingest sees the present, 0 while it is catching up or cut off")
