"""Merged alerts from the message to the notice: a building without power is one alert and one message."""

from contextlib import ExitStack

import pytest

from ingest.partition import Partition
from notifying import running_worker, write_routing
from patience import eventually, patient, steady
from receiver import receiving
from running import epoch_ms, event, forget_session, query, reading, register, running_ingest
from simulators.publisher import Publisher

pytestmark = pytest.mark.slow

FLATS = 36
ON_DELAY_MS = 300_000
OPEN = """
    SELECT rule, count(*), count(*) FILTER (WHERE EXISTS (
        SELECT FROM suppression_at(now()) AS cause WHERE cause.alert_id = alert.id AND cause.cause = 'caused_by_parent'
    ))
    FROM alert WHERE process <> 'ended' AND device_id IS NOT NULL OR (kind = 'family' AND process <> 'ended')
    GROUP BY rule ORDER BY rule
"""


def build(url, community):
    """Register a building with three units of twelve flats, each with a meter for electricity, one with one for gas."""
    register(url, community, [(f"e{n}", "electricity_meter") for n in range(FLATS)] + [("gas", "gas_meter")])
    query(
        url,
        "UPDATE device SET building = '1', unit = (1 + id %% 3)::text WHERE community = %s RETURNING id",
        community,
    )


def publish(out, community, name, moment_ms, *numbers):
    """Publish an event of the meters with these numbers."""
    for n in numbers or range(FLATS):
        out.publish(f"anju/v1/{community}/electricity_meter/e{n}/event", event(moment_ms, name, id=f"{name}-{n}"))


def show_power(out, community):
    """Publish a reading of every meter, so that each has been heard of."""
    for n in range(FLATS):
        out.publish(
            f"anju/v1/{community}/electricity_meter/e{n}/telemetry", reading(epoch_ms() - 600_000, voltage_v=229.0)
        )


def test_a_building_without_power_is_one_message_although_ingest_is_killed(services, database_url, tmp_path):
    build(database_url, "yangguang")
    forget_session(services)
    with ExitStack() as stack:
        robot = stack.enter_context(receiving())
        path = write_routing(
            tmp_path / "notify.yaml",
            contacts=[{"name": "值班室", "channels": {"wecom": f"{robot.url}/send?key=1"}}],
            routes=[{"to": "值班室"}],
        )
        ingest = stack.enter_context(running_ingest(database_url, services.mqtt_url, tmp_path))
        stack.enter_context(running_worker(database_url, path, tmp_path / "worker.log"))
        out = stack.enter_context(Publisher(services.publish_mqtt_url))
        show_power(out, "yangguang")
        lost_at = epoch_ms() - ON_DELAY_MS + 10_000
        publish(out, "yangguang", "power_lost", lost_at, *range(20))
        out.flush(patient(30))
        ingest.kill()
        publish(out, "yangguang", "power_lost", lost_at + 500, *range(20, FLATS))
        out.publish("anju/v1/yangguang/gas_meter/gas/event", event(epoch_ms(), "gas_leak", id="1"))
        ingest.start()
        lost = [("electricity_power_lost", FLATS, FLATS), ("family_power_lost", 1, 0), ("gas_leak", 1, 0)]
        eventually(lambda: query(database_url, OPEN) == lost, timeout_s=60)
        eventually(lambda: sum("成片停电" in words for words in robot.words()) == 1)
        ingest.kill()
        ingest.start()
        publish(out, "yangguang", "power_restored", epoch_ms())
        out.flush(patient(30))
        eventually(lambda: query(database_url, OPEN) == [("gas_leak", 1, 0)], timeout_s=60)
        eventually(lambda: any("恢复" in words and "成片停电" in words for words in robot.words()))
        steady(lambda: len(robot.words()), for_s=3)
        headings = [words.splitlines()[0] for words in robot.words()]
    assert sum("成片停电" in heading for heading in headings) == 2
    assert sum("燃气" in heading for heading in headings) == 1
    assert not [heading for heading in headings if "住户停电" in heading]


def test_two_partitions_merge_the_alerts_of_their_own_communities(mapped, database_url, tmp_path):
    names = [next(f"c{n}" for n in range(99) if Partition(part, 4).has(f"c{n}")) for part in (0, 3)]
    for name in names:
        build(database_url, name)
    with (
        running_ingest(database_url, mapped.mqtt_url, tmp_path, ANJU_PARTITIONS="4"),
        Publisher(mapped.publish_mqtt_url) as out,
    ):
        for name in names:
            show_power(out, name)
        lost_at = epoch_ms() - ON_DELAY_MS + 10_000
        for name in names:
            publish(out, name, "power_lost", lost_at)
        out.flush(patient(30))
        lost = [("electricity_power_lost", 2 * FLATS, 2 * FLATS), ("family_power_lost", 2, 0)]
        eventually(lambda: query(database_url, OPEN) == lost, timeout_s=60)
        groups = "SELECT community, building FROM alert WHERE kind = 'family' ORDER BY 1"
        assert steady(lambda: query(database_url, groups)) == [(name, "1") for name in sorted(names)]
