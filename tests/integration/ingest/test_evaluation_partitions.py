"""Evaluations of several partitions on one database: each handles its own alerts, and those of removed partitions."""

from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from ingest.evaluation import Evaluation
from ingest.partition import Partition
from ingest.registry_cache import RegistryCache
from running import query, register
from shipped_rules import SHIPPED
from store.alerts.alerts import claim_alert
from store.alerts.attention import order_close
from store.alerts.transitions import alert_lock
from store.database import connect

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
OPEN = "SELECT partition, id FROM alert WHERE process <> 'ended' ORDER BY partition"


@contextmanager
def evaluating(url, partition, now):
    """Yield a function that ticks this partition's evaluation every ten seconds from `now` on."""
    with closing(connect(url, application_name="test")) as connection:
        devices = RegistryCache(partition)
        evaluation = Evaluation(SHIPPED, devices, partition, now)
        with connection.transaction():
            devices.refresh(connection)
            evaluation.restore(connection, now)

        def tick(times, *, caught_up):
            for n in range(times):
                with connection.transaction():
                    evaluation.tick(connection, now + n * timedelta(seconds=10), caught_up=caught_up)

        yield tick


def test_each_lagging_partition_has_an_alert_of_its_own(database_url):
    for number in range(4):
        with evaluating(database_url, Partition(number, 4), START) as tick:
            tick(4, caught_up=False)
    assert [partition for partition, _ in query(database_url, OPEN)] == [0, 1, 2, 3]


def test_a_person_s_decision_is_carried_out_by_the_owner_of_the_partition_alone(database_url):
    with (
        evaluating(database_url, Partition(2, 4), START) as owner,
        evaluating(database_url, Partition(0, 4), START) as other,
    ):
        owner(4, caught_up=False)
        ((_, alert_id),) = query(database_url, OPEN)
        with connect(database_url, application_name="test") as connection, alert_lock(connection) as locked:
            order_close(locked, claim_alert(locked, alert_id), actor="li", now=START)
        other(1, caught_up=True)
        assert query(database_url, "SELECT device_id FROM rule_command") == [(-2,)]
        owner(1, caught_up=False)
    assert query(database_url, "SELECT count(*) FROM rule_command") == [(0,)]
    assert query(database_url, OPEN) == []


def test_a_late_decision_does_not_end_a_later_alert(database_url):
    with evaluating(database_url, Partition(2, 4), START) as owner:
        owner(4, caught_up=False)
        ((_, first),) = query(database_url, OPEN)
        with connect(database_url, application_name="test") as connection:
            with alert_lock(connection) as locked:
                order_close(locked, claim_alert(locked, first), actor="li", now=START)
            (order,) = connection.execute("DELETE FROM rule_command RETURNING sequence").fetchall()
    with evaluating(database_url, Partition(2, 4), START + timedelta(hours=1)) as owner:
        owner(5, caught_up=True)
        assert query(database_url, OPEN) == []
    with evaluating(database_url, Partition(2, 4), START + timedelta(hours=2)) as owner:
        owner(4, caught_up=False)
        ((_, second),) = query(database_url, OPEN)
        assert second != first
        with connect(database_url, application_name="test") as connection:
            connection.execute(
                "INSERT INTO rule_command (rule, device_id, command, actor, given_at, sequence) "
                "VALUES ('pipeline_behind', -2, 'close', 'li', %s, %s)",
                (START, *order),
            )
        owner(1, caught_up=False)
    assert query(database_url, OPEN) == [(2, second)]
    assert query(database_url, "SELECT count(*) FROM rule_command") == [(0,)]


def test_an_alert_about_a_removed_partition_is_ended_by_its_successor(database_url):
    with evaluating(database_url, Partition(3, 4), START) as tick:
        tick(4, caught_up=False)
    later = START + timedelta(hours=1)
    with evaluating(database_url, Partition(0, 2), later) as tick:
        tick(5, caught_up=True)
        assert [partition for partition, _ in query(database_url, OPEN)] == [3]
    with evaluating(database_url, Partition(1, 2), later) as tick:
        tick(5, caught_up=True)
    assert query(database_url, OPEN) == []


def test_a_registry_cache_has_the_devices_of_its_own_communities_only(database_url):
    names = [f"c{n}" for n in range(12)]
    for name in names:
        register(database_url, name, [("w1", "water_meter")])
    names_in_caches = []
    with closing(connect(database_url, application_name="test")) as connection:
        for number in range(4):
            devices = RegistryCache(Partition(number, 4))
            devices.refresh(connection)
            names_in_caches += [name for name in names if devices.find(name, "w1")]
            assert all(devices.has(devices.find(name, "w1").id) for name in devices.communities)
    assert sorted(names_in_caches) == sorted(names)
