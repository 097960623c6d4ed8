"""A disk that fills up is an alert while there is room, and a full one is called full."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from app.disk_watch import run_disk_watch
from cli import invoke
from disk import fill, small_disk
from local.services import start_services
from patience import eventually, patient
from running import SECRET_KEY, query
from store.admin.disks import disk_reports
from store.admin.migrate import migrate
from store.database import DatabaseFullError, connect, translated_errors

ALERTS = "SELECT rule, severity, process FROM alert ORDER BY opened_at, rule"
JOBS = "SELECT count(*) FROM procrastinate_jobs"


@contextmanager
def watching(database_url, disks):
    stop = threading.Event()
    thread = threading.Thread(target=run_disk_watch, args=(database_url, disks, stop), kwargs={"every_s": 0.1})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(patient(10))
        assert not thread.is_alive()


def test_a_disk_that_fills_up_is_two_alerts_that_end_when_there_is_room_again(database_url, tmp_path):
    with small_disk(tmp_path / "disk") as disk, watching(database_url, {"database": disk}):
        eventually(lambda: query(database_url, "SELECT count(*) FROM disk_report") == [(1,)])
        assert query(database_url, ALERTS) == []
        ballast = fill(disk)
        raised = [("disk_low", "major", "active"), ("disk_nearly_full", "critical", "active")]
        eventually(lambda: sorted(query(database_url, ALERTS)) == raised)
        assert query(database_url, JOBS) == [(2,)]
        ballast.unlink()
        eventually(lambda: {process for _, _, process in query(database_url, ALERTS)} == {"ended"})
        with connect(database_url, application_name="test") as connection:
            (report,) = disk_reports(connection)
        assert report.free_bytes > 0.9 * report.total_bytes
        assert (datetime.now(UTC) - report.reported_at).total_seconds() < patient(10)
        fill(disk)
        eventually(lambda: len(query(database_url, ALERTS)) == 4)


def test_the_metrics_go_on_while_the_database_is_away(tmp_path):
    with small_disk(tmp_path / "disk") as disk, watching("postgresql://a:b@127.0.0.1:1/none", {"broker": disk}):
        before = eventually(lambda: REGISTRY.get_sample_value("anju_disk_free_bytes", {"disk": "broker"}))
        fill(disk)
        eventually(lambda: REGISTRY.get_sample_value("anju_disk_free_bytes", {"disk": "broker"}) < before / 10)


@pytest.mark.slow
def test_a_full_disk_of_the_database_is_called_full_whether_it_answers_or_not(tmp_path):
    with small_disk(tmp_path / "data" / "postgres") as disk, start_services(tmp_path / "data", print) as services:
        url = services.database_url
        migrate(url)
        ballast = fill(disk)
        with (
            connect(url, application_name="test") as connection,
            pytest.raises(DatabaseFullError, match="the disk of the database is full, make room there: "),
            translated_errors(),
        ):
            connection.execute("CREATE TABLE big AS SELECT repeat(n::text, 50) FROM generate_series(1, 900000) AS n")
        services.postgres.kill()
        settings = {
            "ANJU_DATABASE_URL": url, "ANJU_MQTT_URL": services.mqtt_url, "ANJU_SECRET_KEY": SECRET_KEY,
            "ANJU_DISKS": f"database={disk}",
        }  # fmt: skip
        done = invoke("doctor", cwd=tmp_path, **settings)
        assert done.returncode == 1
        assert f"BAD  database: the disk of the database is full (0 MB free in {disk}): make room" in done.stdout
        assert "BAD  disk database: 0.0 of 0.3 GiB are free" in done.stdout
        with pytest.raises(Exception, match=r"because the disk of .* is full: make room there"):
            services.postgres.start(patient(20))
        ballast.unlink()
        services.postgres.start(patient(60))
        assert "ok   database: answers; 0.2 of 0.3 GiB are free" in invoke("doctor", cwd=tmp_path, **settings).stdout
