"""Metrics of the broker, read from the monitoring of NATS Server at each scrape of the worker."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_TIMEOUT_S = 2.0


class BrokerCollector(Collector):
    """Gauges of each node: NATS itself speaks no format of Prometheus."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Read from these addresses, such as `http://broker:8222`."""
        self._urls = urls

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks no node."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the present gauges; of a node that does not answer only `anju_broker_up`, 0."""
        up = GaugeMetricFamily("anju_broker_up", "1 while a node can store messages, else 0.", labels=["node"])
        size = GaugeMetricFamily("anju_broker_stored_bytes", "Bytes in the store of a node.", labels=["node"])
        count = GaugeMetricFamily("anju_broker_stored_messages", "Messages in the store of a node.", labels=["node"])
        for url in self._urls:
            node = urlsplit(url).netloc
            up.add_metric([node], 1.0 if _answer(f"{url}/healthz") is not None else 0.0)
            if (store := _answer(f"{url}/jsz")) is not None:
                figures = json.loads(store)
                size.add_metric([node], figures["bytes"])
                count.add_metric([node], figures["messages"])
        yield from (up, size, count)


def _answer(url: str) -> bytes | None:
    """Return the answer of a healthy node; None if it has no other, or none at all."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - an address of the settings
            content: bytes = answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except OSError:
        return None
    return content
