"""What an operator can see of ingest: Prometheus metrics, served on a port of its own."""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("anju_messages_received", "MQTT messages taken from the broker", ["redelivered"])
ITEMS = Counter("anju_items", "Items of messages by what became of them", ["outcome"])
REJECTIONS = Counter("anju_rejections", "Items rejected, by reason", ["reason"])
TRANSITIONS = Counter("anju_rule_transitions", "Steps of rules on the process axis, by the phase they led to", ["to"])
BATCH_MESSAGES = Histogram(
    "anju_batch_messages", "Messages in one transaction", buckets=(1, 3, 10, 30, 100, 300, 1000, 3000)
)
BATCH_SECONDS = Histogram(
    "anju_batch_seconds", "From taking a batch to its commit", buckets=(0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
)
BUFFERED = Gauge("anju_buffered_messages", "Messages received and not yet taken")
SUBSCRIBED = Gauge("anju_ingest_subscribed", "1 while the session with the broker stands")
LIVE = Gauge("anju_ingest_live", "1 while ingest sees the present, 0 while it is catching up or cut off")
DATABASE_FAILURES = Counter("anju_database_failures", "Transactions that failed because the database was not available")
