"""The database of each release is taken over: nothing is lost, and this version works with it.

A fixture holds the rows of a demo of a release (`python -m tools.release_fixture`). The test lays them into a database
with the migrations of that release, which are never edited, and upgrades it.
"""

import gzip
import json
import shutil
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cli import invoke
from ingest.broker_client import connected, subscribe
from patience import eventually
from running import SECRET_KEY, epoch_ms, query, reading, running_ingest
from simulators.publisher import Publisher
from store.admin.migrate import _run_dbmate, migrate
from store.admin.readiness import missing_schema
from store.database import connect
from store.notices.job_queue import create_job_tables

FIXTURES = sorted((Path(__file__).parents[1] / "upgrades").glob("*.json.gz"))
FORMER_CLIENT_ID = "anju-ingest-0"  # of the session of ingest in the first fixture
FIRST = ("community", "household", "device", "alert", "notice_message", "verification")


@pytest.fixture(params=FIXTURES, ids=lambda file: file.name.removesuffix(".json.gz"))
def release(request, empty_database_url, tmp_path):
    """Return the URL of a database as the release left it, and its rows by table."""
    tables = json.loads(gzip.decompress(request.param.read_bytes()))["tables"]
    versions = tables.pop("schema_migrations")["rows"].split()
    shipped = {entry.name.split("_", 1)[0]: entry for entry in (files("store") / "migrations").iterdir()}
    for version in versions:
        shutil.copy(shipped[version], tmp_path)
    _run_dbmate(empty_database_url, tmp_path)
    with psycopg.connect(empty_database_url) as connection:
        create_job_tables(connection)
        for name in sorted(tables, key=lambda name: (name not in FIRST, FIRST.index(name) if name in FIRST else name)):
            if name.startswith("telemetry_"):
                create_telemetry_table(connection, name, tables[name]["columns"])
            load(connection, name, tables[name])
    return empty_database_url, {name: table["rows"].count("\n") for name, table in tables.items()}


def create_telemetry_table(connection, name, columns):
    typed = sql.SQL(", ").join(sql.SQL("{} " + kind).format(sql.Identifier(column)) for column, kind in columns.items())
    connection.execute(sql.SQL("CREATE TABLE {} ({}, UNIQUE (device_id, ts))").format(sql.Identifier(name), typed))
    connection.execute("SELECT create_hypertable(%s::regclass, by_range('ts', interval '7 days'))", (name,))


def load(connection, name, table):
    """Replace the rows that the migrations made, and let sequences go on behind the last row."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
    if connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(name))).rowcount:
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), columns)
    with connection.cursor().copy(into) as copy:
        copy.write(table["rows"])
    for column in table["columns"]:
        (sequence,) = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", (name, column)).fetchone()
        if sequence:
            newest = sql.SQL("SELECT setval(%s, max({}) + 1) FROM {}")
            connection.execute(newest.format(sql.Identifier(column), sql.Identifier(name)), (sequence,))


def test_there_is_a_release_to_start_from():
    assert FIXTURES


@pytest.mark.slow
def test_an_upgrade_loses_no_row_and_the_new_version_works(release, services, tmp_path):
    url, before = release
    with connect(url, application_name="test") as connection:
        assert missing_schema(connection)
    for _ in range(2):
        migrate(url)
    with connect(url, application_name="test") as connection:
        assert missing_schema(connection) == []
    after = {name: query(url, f"SELECT count(*) FROM {name}")[0][0] for name in before}
    assert after == before
    assert query(url, "SELECT count(*) FROM alert WHERE process <> 'ended'")[0][0]

    ((alert, device, kind, community),) = query(
        url,
        "SELECT alert.id, device.name, device.kind, device.community FROM alert JOIN device ON device.id = device_id "
        "WHERE process <> 'ended' AND device.kind = 'water_meter' LIMIT 1",
    )
    settings = {"ANJU_DATABASE_URL": url, "ANJU_SECRET_KEY": SECRET_KEY}
    explained = invoke("rules", "explain", str(alert), cwd=tmp_path, **settings)
    assert explained.returncode == 0, explained.stdout
    assert invoke("rejections", cwd=tmp_path, **settings).returncode == 0
    options = ("--include-simulated", "--days", "1", "--out", tmp_path)
    verified = invoke("verify", community, *options, cwd=tmp_path, **settings)
    assert verified.returncode in {0, 1, 3}, verified.stderr

    with connected(services.mqtt_url, FORMER_CLIENT_ID, clean=False) as client:
        subscribe(client, "anju/v1/#")
    with running_ingest(url, services.mqtt_url, tmp_path) as ingest:
        eventually(lambda: "connected to the broker" in ingest.log.read_text(), timeout_s=60)
        with Publisher(services.publish_mqtt_url) as out:
            out.publish(f"anju/v1/{community}/{kind}/{device}/telemetry", reading(epoch_ms(), volume_m3=99_000.0))
        eventually(lambda: query(url, "SELECT count(*) FROM telemetry_water_meter WHERE volume_m3 = 99000")[0][0] == 1)
        assert '"level": "error"' not in ingest.log.read_text()
