"""A danger that comes back while its alert waits for a person: people are told again, and not with every flicker."""

from datetime import timedelta

import pytest

from ingest.evaluation import Evaluation
from ingest.partition import EVERYTHING
from ingest.registry_cache import RegistryCache
from notify.enqueue import enqueue_notices
from notify.routing_file import load_routing
from rules.model.sample import Sample
from running import query, register
from shipped_rules import SHIPPED

PEOPLE = (("值班", "duty"), ("经理", "manager"))


class Site:
    """A device of each kind, the rules of Anju, and the dispatcher, all on one clock."""

    def __init__(self, harness, receiver):
        self.harness, self.receiver = harness, receiver
        kinds = ("gas_meter", "access_control", "ebike_charger", "water_meter")
        register(harness.url, "yangguang", [(kind.replace("_", "-"), kind) for kind in kinds])
        harness.route(
            contacts=[{"name": name, "channels": {"wecom": f"{receiver.url}/{path}"}} for name, path in PEOPLE],
            routes=[{"severity": "info", "to": "值班", "escalate": ["经理"]}],
        )
        self.devices = RegistryCache(EVERYTHING)
        with harness.database.connection() as connection:
            self.devices.refresh(connection)
        self.evaluation = Evaluation(SHIPPED, self.devices, EVERYTHING, harness.clock())

    def send(self, kind, content, **time):
        """Let time pass, then evaluate an event or values, do the job of the queue, and send what is due."""
        self.harness.clock.advance(**time)
        now, device = self.harness.clock(), self.devices.find("yangguang", kind.replace("_", "-"))
        values, event = ({}, content) if isinstance(content, str) else (content, None)
        with self.harness.database.connection() as connection:
            sample = Sample(device.id, now, now, values, event)
            self.evaluation.evaluate(connection, [(kind, sample, None)], now)
            alerts = [each for (each,) in connection.execute("SELECT id FROM alert").fetchall()]
            enqueue_notices(connection, alerts, load_routing(self.harness.path), now)
        self.harness.send_due()
        self.harness.send_due(seconds=5)

    def acknowledge(self):
        query(self.harness.url, "UPDATE alert SET attention = 'acknowledged' RETURNING id")

    @property
    def attention(self):
        return query(self.harness.url, "SELECT process, attention FROM alert")


@pytest.fixture
def site(harness, receiver):
    return Site(harness, receiver)


@pytest.mark.parametrize(
    ("kind", "danger", "all_clear"),
    [
        ("gas_meter", "gas_leak", "gas_leak_cleared"),
        ("access_control", "duress", None),
        ("access_control", "door_forced", "door_closed"),
        ("ebike_charger", {"smoke": True}, {"smoke": False}),
    ],
)
def test_a_danger_that_comes_back_is_told_and_escalated_again(site, kind, danger, all_clear):
    site.send(kind, danger)
    site.acknowledge()
    site.harness.send_due(minutes=30)
    for _ in range(8 if all_clear else 0):
        site.send(kind, all_clear, minutes=1)
    assert site.receiver.paths() == ["/duty"]
    site.send(kind, danger, days=3)
    assert site.receiver.paths() == ["/duty", "/duty"]
    assert "这个问题解除后又发生了" in site.receiver.words()[1]
    assert "持续" not in site.receiver.words()[1]
    ((_, attention),) = site.attention
    assert attention == "unacknowledged"
    site.harness.send_due(minutes=30)
    assert site.receiver.paths() == ["/duty", "/duty", "/manager"]
    steps = query(site.harness.url, "SELECT from_state, to_state FROM alert_transition WHERE reason = 'returned'")
    assert steps == [("acknowledged", "unacknowledged")]


def test_escalation_that_was_sent_before_the_return_is_sent_again(site):
    site.send("gas_meter", "gas_leak")
    site.harness.send_due(minutes=30)
    assert site.receiver.paths() == ["/duty", "/manager"]
    site.send("gas_meter", "gas_leak_cleared", minutes=1)
    site.send("gas_meter", "gas_leak", days=1)
    site.harness.send_due(minutes=30)
    assert site.receiver.paths() == ["/duty", "/manager", "/duty", "/manager"]


def test_a_detector_that_flickers_rings_every_ten_minutes_at_most(site):
    for _ in range(60):
        site.send("gas_meter", "gas_leak", seconds=10)
        site.acknowledge()
        site.send("gas_meter", "gas_leak_cleared", seconds=10)
    passed = site.harness.clock.now - query(site.harness.url, "SELECT raised_at FROM alert")[0][0]
    assert passed > timedelta(minutes=20)
    assert len(site.receiver.paths()) == 1 + passed // timedelta(minutes=10)


def test_a_latched_alert_that_is_not_grave_is_told_once(site):
    site.send("gas_meter", "battery_low")
    site.acknowledge()
    site.send("gas_meter", "battery_low", days=1)
    assert site.receiver.paths() == ["/duty"]
    assert site.attention == [("latched", "acknowledged")]
