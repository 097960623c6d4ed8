"""A database that refuses, is slow, has no space or is read-only loses and duplicates nothing."""

import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from disk import fill, small_disk
from patience import eventually


@pytest.fixture
def disk(tmp_path):
    """Return a small disk for the database alone; request it before `stage`."""
    with small_disk(tmp_path / "data" / "postgres") as folder:
        yield folder


@contextmanager
def superuser(stage):
    """Connect as superuser, to another database than Anju's."""
    url = urlsplit(stage.services.superuser_url)._replace(path="/postgres").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def end_the_sessions_of_ingest(connection):
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'anju%'")


def take_connections(url, others):
    while True:
        others.enter_context(psycopg.connect(url))


def says(stage, words):
    """Wait until the log of ingest reports the fault."""
    eventually(lambda: words in stage.ingest.log.read_text())


def test_a_database_that_refuses_connections(stage):
    with stage.load(), superuser(stage) as connection:
        connection.execute("ALTER DATABASE anju ALLOW_CONNECTIONS false")
        end_the_sessions_of_ingest(connection)
        says(stage, "not currently accepting connections")
        time.sleep(3)
        connection.execute("ALTER DATABASE anju ALLOW_CONNECTIONS true")
    stage.must_be_whole("database refuses connections")


@pytest.mark.chaos
def test_a_database_without_a_free_connection(stage):
    def take_what_ingest_had():
        """Repeat until ingest is not the first to reconnect."""
        end_the_sessions_of_ingest(connection)
        with pytest.raises(psycopg.OperationalError, match=r"connection slots|too many clients"):
            take_connections(stage.database_url, others)
        return "connection slots" in stage.ingest.log.read_text()

    with stage.load(), superuser(stage) as connection, ExitStack() as others:
        eventually(take_what_ingest_had)
        time.sleep(5)
        others.close()
    stage.must_be_whole("database out of connections")


@pytest.mark.chaos
def test_a_database_that_answers_slowly(distant_stage, database_network):
    with distant_stage.load():
        database_network[0].delay_s = 0.3
        time.sleep(20)
        database_network[0].delay_s = 0
    distant_stage.must_be_whole("database answers slowly (0.6 s a round trip)")


@pytest.mark.chaos
def test_a_database_whose_disk_is_full(disk, stage):
    with stage.load():
        ballast = fill(disk)
        says(stage, "No space left on device")
        time.sleep(5)
        ballast.unlink()
        if not stage.services.postgres.alive():
            stage.services.postgres.start()
    stage.must_be_whole("database's disk full")


def test_a_database_that_is_read_only_after_a_fail_over(stage):
    """The database returns as a standby, which answers and refuses to write, and is promoted later."""
    postgres = stage.services.postgres
    with stage.load():
        postgres.stop()
        (postgres.part.cwd / "standby.signal").touch()
        postgres.spawn()
        says(stage, "read-only transaction")
        with superuser(stage) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
    stage.must_be_whole("database read-only after a fail-over")
