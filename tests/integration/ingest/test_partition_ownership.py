"""A partition has one owner at any time, for every order in which database sessions of owners end."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ingest.partition import Partition
from patience import eventually, patient, steady
from running import epoch_ms, event, forget_session, query, reading, register, running_ingest
from simulators.publisher import Publisher
from store.admin.locks import (
    PartitionCountError,
    acquire_member_lock,
    acquire_partition_lock,
    connect_for_locks,
    ensure_partition_count,
    partition_owners,
    rank_among_members,
)
from store.admin.migrate import migrate
from store.database import connect

COMMUNITY = "zhuren"
METER = f"anju/v1/{COMMUNITY}/water_meter/w1"
MIGRATION = Path(__file__).parents[3] / "store" / "migrations" / "20261125000001_partitions.sql"
OWNER = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1095649877 AND objid = 0 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def locks(url):
    connection = connect_for_locks(url, application_name="test")
    try:
        yield connection
    finally:
        connection.close()


def end_session_of_the_owner(url, superuser_url):
    """End the session of the owner of partition 0, as an administrator would, and wait until it has ended."""
    ((pid,),) = query(url, OWNER)
    query(superuser_url, "SELECT pg_terminate_backend(%s, 5000)", pid)
    return pid


def stored(url):
    return query(url, "SELECT (SELECT count(*) FROM telemetry_water_meter), (SELECT count(*) FROM event)")[0]


@contextmanager
def two_ingests(services, database_url, tmp_path):
    """Run an owner and a waiting ingest."""
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    forget_session(services)
    (tmp_path / "second").mkdir()
    with running_ingest(database_url, services.mqtt_url, tmp_path) as first:
        eventually(lambda: b"connected to the broker" in first.log.read_bytes())
        with running_ingest(database_url, services.mqtt_url, tmp_path / "second") as second:
            eventually(lambda: b"another ingest owns this partition" in second.log.read_bytes())
            yield first, second


def test_a_lock_has_one_owner_and_the_next_gets_it_when_the_session_ends(database_url):
    with locks(database_url) as first, locks(database_url) as second:
        assert acquire_partition_lock(first, partition=2)
        assert not acquire_partition_lock(second, partition=2)
        assert acquire_partition_lock(second, partition=3)
        assert set(partition_owners(second)) == {2, 3}
        first.close()
        assert eventually(lambda: acquire_partition_lock(second, partition=2))


def test_uncommitted_rows_of_an_owner_without_its_session_can_never_be_committed(database_url, superuser_server):
    with locks(database_url) as first, locks(database_url) as second:
        assert acquire_partition_lock(first, partition=0)
        first.execute("BEGIN")
        first.execute("INSERT INTO community (id, name, banner, street) VALUES ('late', '', '', '')")
        end_session_of_the_owner(database_url, superuser_server)
        assert acquire_partition_lock(second, partition=0)
        with pytest.raises(psycopg.OperationalError):
            first.execute("COMMIT")
        assert second.execute("SELECT count(*) FROM community").fetchone() == (0,)


def test_the_server_frees_the_locks_of_a_vanished_machine_within_ten_seconds(database_url):
    with locks(database_url) as connection:
        (idle, interval, count, unconfirmed, check) = connection.execute(
            """
            SELECT current_setting('tcp_keepalives_idle')::int, current_setting('tcp_keepalives_interval')::int,
                   current_setting('tcp_keepalives_count')::int, current_setting('tcp_user_timeout')::int,
                   current_setting('client_connection_check_interval')::interval
            """
        ).fetchone()
    # The values of the server's socket, which may differ from the request; zeros without a TCP socket.
    assert 0 < idle + interval * count < 10
    assert 0 < unconfirmed < 10_000
    assert check.total_seconds() == 1


def test_the_first_ingest_decides_the_number_of_partitions_and_others_get_a_remedy(database_url):
    with locks(database_url) as connection:
        ensure_partition_count(connection, 4)
        ensure_partition_count(connection, 4)
        with pytest.raises(PartitionCountError, match=r"into 4 partitions.*started for 8.*docs/operations.md"):
            ensure_partition_count(connection, 8)


def test_a_database_used_before_partitions_existed_has_one_partition(database_url, services, tmp_path):
    """Test the state before the migration: the number is not decided, but devices have sent messages."""
    register(database_url, COMMUNITY, [("w1", "water_meter")])
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO device_state (device_id, last_seen) SELECT id, now() FROM device")
        connection.execute(MIGRATION.read_text().split("-- migrate:down")[1])
        connection.execute("DELETE FROM schema_migrations WHERE version = %s", (MIGRATION.name.split("_")[0],))
    migrate(database_url)
    assert query(database_url, "SELECT count FROM partitioning") == [(1,)]
    with running_ingest(database_url, services.mqtt_url, tmp_path, ANJU_PARTITIONS="4") as ingest:
        assert ingest.process.wait(patient(20)) == 1
    assert b"divided into 1 partitions" in ingest.log.read_bytes()


def test_members_see_each_other_count_once_and_disappear_with_their_sessions(database_url):
    with locks(database_url) as first, locks(database_url) as second:
        assert acquire_member_lock(first, member=70)
        assert acquire_member_lock(second, member=2**31 - 1)
        assert rank_among_members(first, member=70) == (0, 2)
        assert rank_among_members(second, member=2**31 - 1) == (1, 2)
        with locks(database_url) as first_again:
            assert not acquire_member_lock(first_again, member=70)
        first.close()
        assert eventually(lambda: rank_among_members(second, member=2**31 - 1) == (0, 1))


@pytest.mark.slow
def test_a_session_that_ends_between_write_and_commit_writes_nothing_and_the_batch_comes_again(
    services, database_url, superuser_server, tmp_path
):
    """Let each commit with a device wait for a lock of the test, so that its session can be ended meanwhile."""
    with two_ingests(services, database_url, tmp_path) as (first, _):
        with psycopg.connect(database_url, autocommit=True) as test:
            test.execute("SELECT pg_advisory_lock(7)")
            test.execute(
                """
                CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END'
                """
            )
            test.execute(
                """
                CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE ON device_state
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()
                """
            )
            with Publisher(services.publish_mqtt_url) as out:
                out.publish(f"{METER}/telemetry", reading(epoch_ms(), volume_m3=1))
                out.publish(f"{METER}/event", event(epoch_ms(), "leak_detected"))
                out.flush(patient(10))
            in_commit = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted"
            eventually(lambda: test.execute(in_commit).fetchall())
            end_session_of_the_owner(database_url, superuser_server)
            assert stored(database_url) == (0, 0)
            first.kill()
        eventually(lambda: stored(database_url) == (1, 1), timeout_s=40)
    assert query(database_url, "SELECT count(*) FROM alert WHERE rule = 'water_leak'") == [(1,)]
    assert query(database_url, "SELECT count(*) FROM rejection_count") == [(0,)]


def test_a_new_owner_continues_from_the_rows_stored_while_it_waited(services, database_url, tmp_path):
    with two_ingests(services, database_url, tmp_path) as (first, second), Publisher(services.publish_mqtt_url) as out:
        out.publish(f"{METER}/event", event(epoch_ms() - 60_000, "leak_detected"))
        out.flush(patient(10))
        eventually(lambda: query(database_url, "SELECT 1 FROM alert WHERE rule = 'water_leak'"))
        assert b"connected to the broker" not in second.log.read_bytes()
        first.kill()
        out.publish(f"{METER}/event", event(epoch_ms() - 30_000, "leak_cleared"))
        out.flush(patient(10))
        eventually(lambda: query(database_url, "SELECT 1 FROM alert WHERE rule = 'water_leak' AND process = 'ended'"))
    steps = "SELECT from_state, to_state FROM alert_transition WHERE rule = 'water_leak' ORDER BY id"
    assert query(database_url, steps) == [("normal", "active"), ("active", "normal")]


@pytest.mark.slow
def test_a_paused_owner_without_its_session_writes_nothing_when_it_wakes(
    services, database_url, superuser_server, tmp_path
):
    count, began = 6000, epoch_ms() - 3_600_000

    def publish():
        with Publisher(services.publish_mqtt_url) as out:
            for n in range(count):
                out.publish(f"{METER}/telemetry", reading(began + n, volume_m3=float(n)))
                if n % 20 == 0:
                    time.sleep(0.01)
            out.flush(patient(60))

    publishing = threading.Thread(target=publish)
    with two_ingests(services, database_url, tmp_path) as (first, second):
        publishing.start()
        eventually(lambda: stored(database_url)[0] > 500)
        os.kill(first.process.pid, signal.SIGSTOP)
        ended = end_session_of_the_owner(database_url, superuser_server)
        eventually(lambda: b"connected to the broker" in second.log.read_bytes())
        owner = query(database_url, OWNER)
        assert owner != [(ended,)]
        os.kill(first.process.pid, signal.SIGCONT)
        eventually(lambda: b"the database is away" in first.log.read_bytes())
        eventually(lambda: first.log.read_bytes().count(b"another ingest owns this partition") == 1)
        publishing.join()
        eventually(lambda: stored(database_url)[0] == count, timeout_s=60)
        steady(lambda: stored(database_url), for_s=1)
        assert query(database_url, OWNER) == owner
        assert first.log.read_bytes().count(b'"connected to the broker"') == 1


def test_an_ordinary_connection_of_another_database_does_not_count(services, database_url):
    """Test that locks, and thus owners, belong to one database."""
    with locks(database_url) as here, connect(services.database_url, application_name="test") as elsewhere:
        assert acquire_partition_lock(elsewhere, partition=0)
        assert partition_owners(here) == {}
        assert acquire_partition_lock(here, partition=Partition().number)
