"""Row-level security: what the role of the API sees of other tenants in every table, whatever it asks."""

import uuid
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

from database_roles import as_role
from devices.catalogue import KINDS
from store.admin.privileges import MATRIX
from store.admin.roles import Role
from store.database import Database
from store.telemetry.schema import table_name, visible_name

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)

# Tables without a community: they are about the installation, or are read for an administrator alone.
CITY_WIDE = {
    "registry_version", "rule_command", "notice_channel", "procrastinate_jobs", "procrastinate_events", "backup_run",
    "disk_report", "audit_log", "account", "account_session", "api_key", "login_failure", "partitioning",
    "partition_report", "session_gap", "broker_session", "schema_migrations", "job_schema",
}  # fmt: skip
READ = sorted(table for table, rights in MATRIX.items() if Role.API in rights and table not in CITY_WIDE)


@pytest.fixture(scope="module")
def two_tenants(new_database):
    """A database with a row of each of two communities in every table that has a community."""
    with new_database() as url:
        with psycopg.connect(url) as connection:
            for community in ("ours", "theirs"):
                fill(connection, community)
        yield url


def fill(connection, community):
    def add(table, **values):
        names, texts = list(values), list(values.values())
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(sql.Placeholder() * len(names)),
        )  # fmt: skip
        return connection.execute(statement, texts).fetchone()

    add("community", id=community, name=community, banner=f"banner of {community}", street="street")
    add("household", community=community, building="1", unit="1", room="101")
    add("contact", id=uuid.uuid4(), community=community, building="1", unit="1", room="101", name="n",
        phone=b"p" * 40, changed_at=NOW, changed_by="a")  # fmt: skip
    device = add("device", community=community, name="d1", kind="water_meter")[0]
    alert = uuid.uuid4()
    of_device = {"device_id": device}
    of_rule = {"rule": f"rule of {community}", "rule_version": "1"}
    add("alert", id=alert, **of_rule, **of_device, sequence=1, community=community, kind="water_meter",
        severity="warning", title="t", message="m", advice="a", process="active", attention="unacknowledged",
        opened_at=NOW, raised_at=NOW, simulated=False, partition=0)  # fmt: skip
    add("alert_transition", alert_id=alert, **of_rule, **of_device, sequence=1, axis="process", from_state="ok",
        to_state="active", at=NOW, decided_at=NOW, reason="condition", inputs="{}")  # fmt: skip
    shelved = {"since": NOW, "until": NOW.replace(hour=5), "detail": "d", "actor": "a"}
    add("alert_suppression", alert_id=alert, cause="shelved", **shelved)
    add("attachment", id=uuid.uuid4(), alert_id=alert, content=b"jpeg", width=1, height=1, bytes=4, sha256="0" * 64,
        received_sha256="0" * 64, caption="", actor="a", added_at=NOW)  # fmt: skip
    message = add("notice_message", channel="c", sent_at=NOW, form="single", community=community, rule="",
        unlimited=False, notices=1)[0]  # fmt: skip
    add("notice", alert_id=alert, channel="c", kind="raised", n=0, severity="warning", state="queued", queued_at=NOW,
        due_at=NOW, message_id=message)  # fmt: skip
    add("silence", id=uuid.uuid4(), community=community, starts_at=NOW, ends_at=NOW.replace(hour=9), reason="r",
        actor="a", created_at=NOW)  # fmt: skip
    add("duty_shift", id=uuid.uuid4(), community=community, person="p", starts_at=NOW, ends_at=NOW.replace(hour=9),
        note="", actor="a", created_at=NOW)  # fmt: skip
    add("handover_note", id=uuid.uuid4(), community=community, at=NOW, actor="a", note="n")
    add("device_state", **of_device, last_seen=NOW)
    add("device_rejection_count", **of_device, hour=NOW, reason="bad_json", count=1)
    add("rejection_count", hour=NOW, community=community, kind="water_meter", reason="bad_json", count=1)
    add("rejection", topic=f"anju/v1/{community}/x", reason="bad_json", digest=b"d", detail="d", payload=b"", size=1,
        **of_device, first_received_at=NOW, last_received_at=NOW, times=1)  # fmt: skip
    add("meter_replacement", **of_device, field="volume_m3", at=NOW, old_register=1, new_register=0, actor="a",
        recorded_at=NOW)  # fmt: skip
    add("rule_state", rule="r", **of_device, rule_version="1", phase="ok", since=NOW, sequence=0, memory="{}")
    add("shadow_transition", occurrence_id=uuid.uuid4(), **of_rule, **of_device, sequence=1, from_state="ok",
        to_state="active", at=NOW,
        decided_at=NOW, reason="condition", severity="warning", title="t", message="m", inputs="{}")  # fmt: skip
    add("spool_total", **of_device, messages=1, bytes=1)
    add("witnessed_test", id=uuid.uuid4(), **of_device, event="gas_leak", triggered_at=NOW, tested_by="a", how="h",
        recorded_at=NOW)  # fmt: skip
    verification = uuid.uuid4()
    add("verification", id=verification, community=community, window_start=NOW, window_end=NOW.replace(hour=9),
        generated_at=NOW, criteria_version="1", outcome="pass", sha256="0" * 64, report="{}")  # fmt: skip
    add("verification_result", verification_id=verification, criterion="c", verdict="manual")
    add("event", **of_device, ts=NOW, received_at=NOW, event="online", id="", data="{}")
    for kind in KINDS:
        add(table_name(kind.name), **of_device, ts=NOW, received_at=NOW)


def count(connection, table):
    return connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()[0]


@pytest.mark.parametrize("table", READ)
def test_no_query_of_any_table_shows_another_tenant(two_tenants, table):
    database = Database(as_role(two_tenants, Role.API), application_name="test", max_size=1)
    scopes = [
        (["all"], None, 2), (["community:ours"], None, 1), (["banner:banner of ours"], None, 1),
        (["street:banner of theirs/street"], None, 1), (["community:ours"], ["community:theirs"], 0),
        (["all"], ["community:theirs"], 1), (["community:nowhere"], None, 0), ([], None, 0),
    ]  # fmt: skip
    try:
        for scope, within, seen in scopes:
            with database.scoped(scope, within).connection() as connection:
                if table in {"device", "account"}:
                    found = connection.execute(sql.SQL("SELECT count(id) FROM {}").format(sql.Identifier(table)))
                    assert found.fetchone()[0] == seen, scope
                else:
                    assert count(connection, table) == seen, scope
    finally:
        database.close()


@pytest.mark.parametrize("table", READ)
def test_who_names_no_scope_sees_nothing(two_tenants, table):
    with psycopg.connect(as_role(two_tenants, Role.API)) as connection:
        for row in connection.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))
        ).fetchall():
            assert row == (False,)


def test_a_scope_ends_with_its_transaction(two_tenants):
    database = Database(as_role(two_tenants, Role.API), application_name="test", max_size=1)
    try:
        with database.scoped(["community:ours"]).connection() as connection:
            assert count(connection, "alert") == 1
            connection.rollback()
            assert count(connection, "alert") == 0
        with database.scoped(["community:theirs"]).connection() as connection:
            assert connection.execute("SELECT community FROM alert").fetchall() == [("theirs",)]
    finally:
        database.close()


def test_no_row_is_written_for_another_tenant(two_tenants):
    database = Database(as_role(two_tenants, Role.API), application_name="test", max_size=1)
    try:
        with database.scoped(["community:ours"]).connection() as connection:
            changed = connection.execute("UPDATE alert SET attention = 'closed' WHERE community = 'theirs'")
            assert changed.rowcount == 0
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute("UPDATE alert SET community = 'theirs' WHERE community = 'ours'")
    finally:
        database.close()


@pytest.mark.parametrize("role", [Role.INGEST, Role.WORKER, Role.OPERATOR, Role.GRAFANA])
def test_every_other_role_sees_all_rows(two_tenants, role):
    with psycopg.connect(as_role(two_tenants, role)) as connection:
        assert count(connection, "alert") == 2


def test_every_table_and_view_of_telemetry_is_read_through_a_scope(two_tenants):
    for kind in KINDS:
        assert Role.API not in MATRIX[table_name(kind.name)]
        assert Role.API in MATRIX[visible_name(kind.name)]
    with psycopg.connect(two_tenants) as connection:
        protected = {row[0] for row in connection.execute("SELECT relname FROM pg_class WHERE relrowsecurity")}
    views = {table for table in READ if table.startswith("visible_")}
    assert set(READ) - views <= protected
