"""The broker's metrics come from a real NATS Server, and a node that is away is 0 and no error."""

from app.broker_metrics import BrokerCollector
from local.home import Home
from patience import eventually
from running import running_broker
from simulators.publisher import Publisher

NOBODY = "http://127.0.0.1:1"


def samples(*urls):
    return {
        (sample.name, sample.labels["node"]): sample.value
        for metric in BrokerCollector(urls).collect()
        for sample in metric.samples
    }


def test_a_node_that_answers_and_one_that_does_not(tmp_path):
    with Home(tmp_path) as home, running_broker(home) as (broker, process):
        (url,) = broker.monitoring_urls
        node = url.removeprefix("http://")
        before = samples(url, NOBODY)
        assert before["anju_broker_up", node] == 1
        assert before["anju_broker_up", "127.0.0.1:1"] == 0
        assert ("anju_broker_stored_bytes", "127.0.0.1:1") not in before
        with Publisher(broker.publish_url) as out:
            out.publish("anju/v1/yangguang/water_meter/w1/status", b'{"state": "online"}', retain=True)
        after = eventually(lambda: samples(url) if samples(url) != before else None)
        assert after["anju_broker_stored_messages", node] > before["anju_broker_stored_messages", node]
        assert after["anju_broker_stored_bytes", node] > before["anju_broker_stored_bytes", node]
        process.stop()
        assert samples(url) == {("anju_broker_up", node): 0}
