"""Topics that accounts of the broker may read, and their notation as subjects of NATS."""

from collections.abc import Iterable

from devices.catalogue import KINDS

TOPICS = ("anju/v1/#", "anju/p/#")
"""Topics of devices, and the topics to which NATS maps them with several partitions."""
PERSONAL_TOPICS = tuple(
    f"{root}/+/{kind.name}/#" for kind in KINDS if kind.redacted for root in ("anju/v1", "anju/p/+")
)
"""Topics of the kinds that may carry plates and door users, or pass them on."""
QUEUES = ("$MQTT.sub.>", "$MQTT.deliver.pubrel.>")
"""Subjects below which NATS delivers QoS 1 and 2, for which it keeps a queue."""


def subject_of(topic_filter: str) -> str:
    """Return a topic filter in the notation of NATS."""
    return topic_filter.replace("/", ".").replace("#", ">").replace("+", "*")


def with_parents(topic_filters: Iterable[str]) -> list[str]:
    """Return topic filters that end in "#" in the notation of NATS, each with the parent that it matches too."""
    return [subject for each in topic_filters for subject in (subject_of(each).removesuffix(".>"), subject_of(each))]
