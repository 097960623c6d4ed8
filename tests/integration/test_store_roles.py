"""Each role of the database does what its part needs, and nothing else: the matrix, walked, and what attackers try."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from app.grafana_guard import run_grafana_guard
from database_roles import as_role
from patience import patient
from running import query
from store.admin.migrate import MigrationError, migrate
from store.admin.privileges import FUNCTIONS, MATRIX, PRIVILEGE_BY_LETTER, Grant, grants_in_force, wanted_grants
from store.admin.privileges import table_columns as read_table_columns
from store.admin.readiness import missing_schema
from store.admin.roles import Role, end_long_sessions
from store.database import connect

PARTS = [role for role in Role if role is not Role.OWNER]
EXTENSIONS = {"pg_stat_statements", "pg_stat_statements_info"}  # views that an operator may have added

every_part = pytest.mark.parametrize("role", PARTS)


@pytest.fixture(scope="module")
def url(new_database: Callable[[], Any]) -> Iterator[str]:
    """A database for all tests of this file: none of them changes it."""
    with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def columns(url: str) -> dict[str, list[str]]:
    with connect(url, application_name="test") as connection:
        return read_table_columns(connection)


@contextmanager
def session(url: str, role: Role) -> Iterator[psycopg.Connection]:
    with psycopg.connect(as_role(url, role), autocommit=True) as connection:
        yield connection


def refused(connection: psycopg.Connection, statement: str) -> bool:
    """Return whether PostgreSQL refuses a statement for want of a privilege; nothing that it does stays."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except errors.InsufficientPrivilege:
        return True
    return False


def test_the_matrix_names_every_table_and_every_view(columns):
    unnamed = set(columns) - set(MATRIX) - EXTENSIONS
    assert not unnamed, f"say in store/admin/privileges.py which role needs {', '.join(sorted(unnamed))}"
    assert set(MATRIX) <= set(columns)


def test_the_columns_of_the_matrix_exist(columns):
    named = {(grant.table, grant.column) for grant in wanted_grants(columns) if grant.column}
    assert named <= {(table, column) for table, names in columns.items() for column in names}


def test_a_migrated_database_has_the_privileges_of_the_matrix_and_no_other(url, columns):
    with connect(url, application_name="test") as connection:
        assert grants_in_force(connection) == wanted_grants(columns)


# EXPLAIN checks the privileges of a statement and does not run it.
def statement(table: str, column: str, privilege: str) -> str:
    target, name = sql.Identifier(table).as_string(), sql.Identifier(column).as_string() if column else ""
    return {
        "SELECT": f"EXPLAIN SELECT {name or 'count(*)'} FROM {target}",
        "INSERT": f"EXPLAIN INSERT INTO {target} DEFAULT VALUES",
        "UPDATE": f"EXPLAIN UPDATE {target} SET {name} = DEFAULT",
        "DELETE": f"EXPLAIN DELETE FROM {target}",
    }[privilege]


@every_part
def test_a_role_may_do_what_the_matrix_says_and_nothing_else(role, url, columns):
    wanted = wanted_grants(columns)
    tries = 0
    with session(url, role) as connection:
        for table, names in columns.items():
            if table in EXTENSIONS or table == "event_without_hashes":
                continue
            for privilege in PRIVILEGE_BY_LETTER.values():
                # A table as a whole, or each of its columns where the privilege is by column.
                by_column = privilege in {"SELECT", "UPDATE"}
                for column in names if by_column else [""]:
                    allowed = bool({Grant(role, table, each, privilege) for each in ("", column)} & wanted)
                    allowed |= role is Role.OPERATOR and privilege == "SELECT"  # who makes backups
                    tried = statement(table, column, privilege)
                    assert refused(connection, tried) is not allowed, f"{role}: {tried}"
                    tries += 1
    assert tries > 500


@every_part
@pytest.mark.parametrize(
    "tried",
    [
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION pgcrypto",
        "ALTER TABLE alert ADD COLUMN mine int",
        "ALTER TABLE audit_log DISABLE TRIGGER audit_log_chained",
        "DROP TABLE community",
        "DROP FUNCTION audit_hash(bytea, audit_log)",
        "CREATE OR REPLACE FUNCTION netstring(value text) RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
        "TRUNCATE audit_log",
        "GRANT anju_owner TO anju_grafana",
        "CREATE ROLE mine",
        "ALTER ROLE anju_owner PASSWORD 'mine'",
        "SET ROLE anju_owner",
        "SET session_replication_role = replica",
        "SELECT pg_read_file('PG_VERSION')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/anju-test'",
        "SELECT drop_chunks('event', older_than => now())",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "ALTER ROLE anju_grafana CONNECTION LIMIT 1000",
    ],
)
def test_no_part_defines_grants_or_becomes_another(role, tried, url):
    with session(url, role) as connection:
        with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported)) as refusal:
            connection.execute(tried)
        assert isinstance(refusal.value, errors.InsufficientPrivilege) or "pgcrypto" in tried


def test_no_role_of_anju_has_a_power_over_the_server(url):
    rows = query(
        url,
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND (rolsuper OR rolreplication OR rolbypassrls)",
        [*Role],
    )
    assert rows == []
    powers = query(
        url,
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND (rolcreatedb OR rolcreaterole)",
        [*PARTS],
    )
    assert powers == []


@pytest.mark.parametrize(
    ("role", "tried"),
    [
        (Role.INGEST, "SELECT secret_hash FROM device"),
        (Role.INGEST, "SELECT * FROM device"),
        (Role.INGEST, "SELECT last_error FROM notice_channel"),
        (Role.INGEST, "SELECT person FROM audit_log"),
        (Role.INGEST, "UPDATE device SET secret_hash = NULL"),
        (Role.API, "INSERT INTO telemetry_water_meter (device_id, ts, received_at) VALUES (1, now(), now())"),
        (Role.API, "DELETE FROM event"),
        (Role.API, "UPDATE telemetry_electricity_meter SET energy_kwh = 0"),
        (Role.API, "SELECT secret_hash FROM device"),
        (Role.API, "UPDATE audit_log SET actor = 'nobody'"),
        (Role.API, "DELETE FROM audit_log"),
        (Role.API, "UPDATE audit_head SET id = 0"),
        (Role.WORKER, "DELETE FROM audit_log"),
        (Role.WORKER, "SELECT secret_hash FROM device"),
        (Role.WORKER, "INSERT INTO device (community, name, kind) VALUES ('x', 'x', 'camera')"),
        (Role.WORKER, "DELETE FROM telemetry_water_meter"),
        (Role.OPERATOR, "DELETE FROM audit_log"),
        (Role.OPERATOR, "UPDATE audit_log SET actor = 'nobody'"),
        (Role.OPERATOR, "DELETE FROM alert"),
        (Role.DOOR, "SELECT room FROM device"),
        (Role.DOOR, "UPDATE device SET secret_hash = NULL"),
        (Role.DOOR, "SELECT FROM telemetry_water_meter"),
        (Role.GRAFANA, "SELECT secret_hash FROM device"),
        (Role.GRAFANA, "SELECT person FROM audit_log"),
        (Role.GRAFANA, "SELECT data FROM event"),
        (Role.GRAFANA, "SELECT payload FROM rejection"),
        (Role.GRAFANA, "SELECT room FROM household"),
        (Role.GRAFANA, "SELECT actor FROM alert_transition"),
        (Role.GRAFANA, "SELECT channel FROM notice"),
        (Role.GRAFANA, "SELECT args FROM procrastinate_jobs"),
        (Role.GRAFANA, "SELECT pg_advisory_lock(1095650901, 0)"),
        (Role.GRAFANA, "SELECT pg_try_advisory_lock_shared(1)"),
        (Role.GRAFANA, "SELECT pg_advisory_xact_lock(hashtext('alert_transition'))"),
        (Role.GRAFANA, "CREATE TEMPORARY TABLE mine (n int)"),
        (Role.GRAFANA, "SELECT n INTO TEMPORARY mine FROM generate_series(1, 10) AS n"),
        (Role.GRAFANA, "LOCK TABLE alert IN SHARE MODE"),
        (Role.GRAFANA, "SELECT 1 FROM alert FOR SHARE"),
        (Role.GRAFANA, "SET temp_file_limit = -1"),
        (Role.GRAFANA, "SELECT register_watchdog()"),
        (Role.GRAFANA, "SELECT drop_chunks_before('event', '2000-01-01')"),
        (Role.DOOR, "CREATE TEMPORARY TABLE mine (n int)"),
        (Role.API, "CREATE TEMPORARY TABLE mine (n int)"),
    ],
)
def test_what_a_role_must_not_do_is_refused(role, tried, url):
    with session(url, role) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
            connection.execute(tried)


@pytest.mark.parametrize("signature", FUNCTIONS)
@every_part
def test_work_of_the_owner_is_done_for_those_named_alone(role, signature, url):
    with session(url, role) as connection:
        row = connection.execute("SELECT has_function_privilege(%s, 'EXECUTE')", (signature,)).fetchone()
        assert row == (role in FUNCTIONS[signature],)


@pytest.mark.parametrize(
    "tried",
    [
        "SELECT drop_chunks_before('audit_log', now() - interval '1 year')",
        "SELECT drop_chunks_before('alert', now() - interval '1 year')",
        "SELECT drop_chunks_before('event', now() - interval '20 days')",
        "SELECT drop_chunks_before('telemetry_water_meter', now() + interval '1 day')",
    ],
)
def test_a_worker_in_the_wrong_hands_can_drop_no_recent_raw_data_and_nothing_else(tried, url):
    with session(url, Role.WORKER) as connection, pytest.raises(errors.RaiseException):
        connection.execute(tried)


def test_grafana_sees_events_without_the_hashes_of_plates_and_persons(new_database):
    with new_database() as url:
        query(
            url,
            """
            INSERT INTO event (device_id, ts, received_at, event, id, data)
            VALUES (1, now(), now(), 'entry', 'x', '{"plate_hash": "abc", "plate_masked": "蒙K·A**34", "lane": 2}')
            RETURNING 1
            """,
        )
        seen = query(as_role(url, Role.GRAFANA), "SELECT data FROM event_without_hashes")
        assert seen == [({"plate_masked": "蒙K·A**34", "lane": 2},)]


@pytest.mark.skipif("ANJU_TEST_DATABASE_URL" in os.environ, reason="would change a role of a server that is not ours")
def test_a_session_of_grafana_that_lifts_its_limits_is_ended_by_the_worker(url):
    """PostgreSQL lets every role set its own statement_timeout, so that the limit alone holds nobody."""
    stop = threading.Event()
    guard = threading.Thread(
        target=run_grafana_guard,
        args=(as_role(url, Role.WORKER), stop),
        kwargs={"longest_s": 0.5, "every_s": 0.1},
    )
    grafana = as_role(url, Role.GRAFANA)
    # The guard looks at the role itself, not at its members.
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("ALTER ROLE anju_grafana LOGIN PASSWORD 'for-this-test'")
    address = grafana.rpartition("@")[2]
    guard.start()
    try:
        with psycopg.connect(f"postgresql://anju_grafana:for-this-test@{address}", autocommit=True) as connection:
            connection.execute("SET statement_timeout = 0")
            with pytest.raises(psycopg.OperationalError):
                connection.execute(f"SELECT pg_sleep({patient(60)})")
    finally:
        stop.set()
        guard.join()


def test_the_sessions_of_other_roles_are_left_alone_however_old_their_transactions(url):
    others = [Role.WORKER, Role.INGEST, Role.OPERATOR]
    with session(url, others[0]) as worker, session(url, others[1]) as ingest, session(url, others[2]) as operator:
        for connection in (worker, ingest, operator):
            connection.execute("BEGIN")
            connection.execute("SELECT 1")
        with connect(as_role(url, Role.WORKER), application_name="test") as guard:
            assert end_long_sessions(guard, longer_than_s=0) == []
        for connection in (worker, ingest, operator):
            assert connection.execute("SELECT 2").fetchone() == (2,)


def test_what_a_new_version_adds_is_granted_and_what_it_takes_is_revoked(new_database):
    """A later migration finds the privileges of an earlier version, and brings them to its own matrix."""
    with new_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("GRANT SELECT ON device TO anju_grafana")
            connection.execute("GRANT SELECT ON household TO PUBLIC")
            connection.execute("REVOKE INSERT ON telemetry_camera FROM anju_ingest")
            connection.execute("REVOKE SELECT (name) ON device FROM anju_ingest")
        assert migrate(url) is None
        with connect(url, application_name="test") as connection:
            assert grants_in_force(connection) == wanted_grants(read_table_columns(connection))


@every_part
def test_a_part_may_not_migrate_and_is_told_who_may(role, url):
    with pytest.raises(MigrationError, match=r"tables belong to .*: run `anju migrate` with the URL of"):
        migrate(as_role(url, role))


def test_readiness_is_seen_by_every_part(url):
    for role in (Role.INGEST, Role.API, Role.WORKER, Role.OPERATOR):
        with connect(as_role(url, role), application_name="test") as connection:
            assert missing_schema(connection) == []
