"""Privileges of the roles on the tables of a database: one matrix, in force after each `anju migrate`.

Letters are those of PostgreSQL's own access lists: r SELECT, a INSERT, w UPDATE, d DELETE. Nobody but the owner has any
other privilege on a table, except that the operator, who makes backups, reads all of them. A test walks the matrix, and
another compares it with the tables of a database.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from psycopg import sql

from devices.catalogue import KINDS
from store.admin.roles import Role, is_superuser, restrict_functions
from store.database import Connection
from store.telemetry.schema import table_name, visible_name

PRIVILEGE_BY_LETTER = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


class Columns(NamedTuple):
    """Privileges on some columns: on `only` these, or on all but the `hidden` ones; their names with blanks between."""

    letters: str
    only: str = ""
    hidden: str = ""


class Grant(NamedTuple):
    """One privilege of a role on a table, or on a column of it; an empty column is the whole table."""

    role: str
    table: str
    column: str
    privilege: str


Rights = Mapping[Role, str | tuple[Columns, ...]]

_INGEST, _API, _WORKER, _DOOR, _OPERATOR, _GRAFANA = (
    Role.INGEST, Role.API, Role.WORKER, Role.DOOR, Role.OPERATOR, Role.GRAFANA,
)  # fmt: skip
_NOT_THE_SECRET = (Columns("r", hidden="secret_hash"),)

# The operator's commands also load a history and erase what is stored of a household or a person. The API reads through
# views, which show it the communities of the request.
_TELEMETRY: Rights = {_INGEST: "raw", _WORKER: "r", _OPERATOR: "rawd", _GRAFANA: "r"}
_VISIBLE: Rights = {_INGEST: "r", _API: "r", _WORKER: "r", _OPERATOR: "r", _GRAFANA: "r"}

MATRIX: dict[str, Rights] = {
    # Registry
    "community": {_INGEST: "r", _API: "r", _WORKER: "r", _DOOR: "r", _OPERATOR: "raw", _GRAFANA: "r"},
    "household": {_API: "r", _OPERATOR: "raw"},
    "device": {
        _INGEST: _NOT_THE_SECRET,
        _API: (*_NOT_THE_SECRET, Columns("w", only="serial")),
        _WORKER: _NOT_THE_SECRET,
        _DOOR: (
            Columns("r", only="id community name kind gateway service simulated withdrawn_at secret_hash login_change"),
        ),
        _OPERATOR: "raw",
        _GRAFANA: (
            Columns("r", only="id community name kind building unit room location simulated service withdrawn_at"),
        ),
    },
    "contact": {_API: "rawd", _OPERATOR: "rawd"},
    "registry_version": {_INGEST: "r", _API: "rw", _WORKER: "r", _DOOR: "r", _OPERATOR: "rw"},
    "meter_replacement": {
        _INGEST: "r",
        _API: "raw",
        _WORKER: "r",
        _OPERATOR: "rawd",
        _GRAFANA: (Columns("r", only="device_id field at old_register new_register withdrawn_at"),),
    },
    # Telemetry
    **{table_name(kind.name): _TELEMETRY for kind in KINDS},
    **{visible_name(kind.name): _VISIBLE for kind in KINDS},
    "event": {_INGEST: "ra", _WORKER: "rd", _OPERATOR: "rawd"},
    "visible_event": {_INGEST: "r", _API: "r", _WORKER: "r", _OPERATOR: "r"},
    "event_without_hashes": {_GRAFANA: "r"},
    "device_state": {_INGEST: "raw", _API: "r", _WORKER: "r", _OPERATOR: "raw", _GRAFANA: "r"},
    "device_checkpoint": {_INGEST: "raw", _OPERATOR: "rd"},
    "rejection": {_INGEST: "rawd", _API: "r", _WORKER: "rd", _OPERATOR: "rd"},
    "rejection_count": {_INGEST: "raw", _API: "r", _WORKER: "rd", _OPERATOR: "r", _GRAFANA: "r"},
    "device_rejection_count": {_INGEST: "raw", _API: "r", _WORKER: "rd", _OPERATOR: "r"},
    "spool": {_INGEST: "rad", _OPERATOR: "r"},
    "spool_total": {_INGEST: "rawd", _API: "r", _OPERATOR: "r"},
    # Alerts
    "alert": {_INGEST: "rawd", _API: "rw", _WORKER: "raw", _OPERATOR: "rw", _GRAFANA: "r"},
    "alert_transition": {_INGEST: "raw", _API: "ra", _WORKER: "ra", _OPERATOR: "rw"},
    "alert_suppression": {_INGEST: "rawd", _API: "raw", _WORKER: "r", _OPERATOR: "r", _GRAFANA: "r"},
    "attachment": {_API: "raw", _OPERATOR: "rw"},
    "silence": {_INGEST: "r", _API: "raw", _WORKER: "r", _OPERATOR: "r", _GRAFANA: "r"},
    "duty_shift": {_API: "raw"},
    "handover_note": {_API: "ra"},
    "rule_state": {_INGEST: "rawd", _API: "r", _OPERATOR: "rw"},
    "rule_command": {_INGEST: "rd", _API: "ra"},
    "shadow_transition": {_INGEST: "ra", _API: "r", _OPERATOR: "rw"},
    # Notices and their jobs
    "notice": {_INGEST: "r", _API: "r", _WORKER: "rawd", _OPERATOR: "rw"},
    "notice_message": {_API: "r", _WORKER: "rad", _OPERATOR: "r"},
    "notice_channel": {_API: "r", _WORKER: "raw", _OPERATOR: "r"},
    "procrastinate_jobs": {_INGEST: "ra", _API: "ra", _WORKER: "rawd", _OPERATOR: "ra"},
    "procrastinate_events": {_INGEST: "ra", _API: "ra", _WORKER: "rawd", _OPERATOR: "ra"},
    "procrastinate_periodic_defers": {_WORKER: "rawd"},
    "procrastinate_workers": {_WORKER: "rawd"},
    # Accounts
    "account": {_API: "raw", _OPERATOR: "raw"},
    "account_session": {_API: "rawd", _OPERATOR: "rd"},
    "api_key": {_API: "raw", _OPERATOR: "rw"},
    "login_failure": {_API: "rawd", _OPERATOR: "rd"},
    # Evidence
    "verification": {_API: "r", _OPERATOR: "ra"},
    "verification_result": {_API: "r", _OPERATOR: "ra"},
    "witnessed_test": {_API: "raw", _OPERATOR: "raw"},
    "erasure": {_INGEST: "r", _WORKER: "rd", _OPERATOR: "rawd"},
    "backup_run": {_API: "r", _WORKER: "r", _OPERATOR: "rad"},
    "disk_report": {_API: "r", _WORKER: "rawd", _OPERATOR: "r"},
    # The database as a whole. The writers of the audit log add rows, and a trigger of the owner chains them.
    "audit_log": {_API: "ra", _WORKER: "ra", _OPERATOR: "ra"},
    "audit_head": {_WORKER: "r", _OPERATOR: "r"},
    "broker_session": {_INGEST: "rawd"},
    "session_gap": {_INGEST: "ra", _API: "r", _OPERATOR: "r"},
    "partitioning": {_INGEST: "raw", _API: "r", _WORKER: "r", _OPERATOR: "r"},
    "partition_report": {
        _INGEST: "rawd",
        _API: "r",
        _WORKER: "r",
        _OPERATOR: "r",
        _GRAFANA: (Columns("r", only="present_at"),),
    },
    "schema_migrations": dict.fromkeys((_INGEST, _API, _WORKER, _DOOR, _OPERATOR, _GRAFANA), "r"),
    "job_schema": {},
}

# Sequences that no column owns; those of columns follow their tables.
SEQUENCES: dict[str, dict[Role, str]] = {"login_change": {_DOOR: "SELECT", _OPERATOR: "USAGE"}}

# Functions that run with the privileges of the owner.
FUNCTIONS: dict[str, tuple[Role, ...]] = {
    "drop_chunks_before(text, timestamptz)": (_WORKER,),
    "register_watchdog()": (_WORKER,),
}

_TEMPORARY_TABLES = (_INGEST, _OPERATOR)


def wanted_grants(columns: Mapping[str, Iterable[str]]) -> set[Grant]:
    """Return every privilege of the matrix on tables given as the names of their columns by table."""
    grants = set()
    for table, rights in MATRIX.items():
        for role, right in rights.items():
            if isinstance(right, str):
                grants |= {Grant(role, table, "", PRIVILEGE_BY_LETTER[letter]) for letter in right}
                continue
            for letters, only, hidden in right:
                named = only.split() or set(columns.get(table, ())) - set(hidden.split())
                grants |= {Grant(role, table, name, PRIVILEGE_BY_LETTER[each]) for name in named for each in letters}
    return {grant for grant in grants if grant.table in columns}


def grants_in_force(connection: Connection) -> set[Grant]:
    """Return the privileges of Anju's roles, and of everybody (`public`), on the tables of schema `public`."""
    rows = connection.execute(
        """
        SELECT coalesce(role.rolname, 'public'), object.relname, object.attname, privilege_type
        FROM (
            SELECT relname, '' AS attname, relacl AS acl FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
            UNION ALL
            SELECT relname, attname, attacl FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT attisdropped
        ) AS object
        CROSS JOIN LATERAL aclexplode(object.acl) AS granted
        LEFT JOIN pg_roles AS role ON role.oid = granted.grantee
        WHERE granted.grantee = 0 OR role.rolname = ANY (%s)
        """,
        ([role for role in Role if role is not Role.OWNER],),
    )
    return {Grant(*row) for row in rows}


def table_columns(connection: Connection) -> dict[str, list[str]]:
    """Return the names of the columns of each table and view of schema `public`."""
    rows = connection.execute(
        """
        SELECT relname, array_agg(attname::text ORDER BY attnum)
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND attnum > 0 AND NOT attisdropped
        GROUP BY relname
        """
    )
    return dict(rows.fetchall())


def apply_privileges(connection: Connection) -> None:
    """Bring all privileges of the database to the matrix, as its owner and in a transaction.

    What is in force already is left alone: each change of a hypertable is one of all its chunks.
    """
    wanted = wanted_grants(table_columns(connection))
    for grant in sorted(grants_in_force(connection) - wanted):
        _change(connection, "REVOKE {} ON {} FROM {}", grant)
    # Read again: a privilege revoked from a table is revoked from its columns too.
    for grant in sorted(wanted - grants_in_force(connection)):
        _change(connection, "GRANT {} ON {} TO {}", grant)
    _grant_sequences(connection)
    for signature, roles in FUNCTIONS.items():
        connection.execute(sql.SQL(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"))
        connection.execute(sql.SQL(f"GRANT EXECUTE ON FUNCTION {signature} TO {{}}").format(_names(roles)))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(_names(Role)))
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    restrict_database(connection)
    if is_superuser(connection):
        restrict_functions(connection)


def _change(connection: Connection, statement: str, grant: Grant) -> None:
    privilege: sql.Composable = sql.SQL(grant.privilege)
    if grant.column:
        privilege = sql.SQL("{} ({})").format(privilege, sql.Identifier(grant.column))
    role = sql.SQL("PUBLIC") if grant.role == "public" else sql.Identifier(grant.role)
    connection.execute(sql.SQL(statement).format(privilege, sql.Identifier(grant.table), role))


def _grant_sequences(connection: Connection) -> None:
    """Let each role that inserts into a table draw numbers from the sequences of its columns, and see `SEQUENCES`."""
    for sequence, rights in SEQUENCES.items():
        for role, privilege in rights.items():
            connection.execute(
                sql.SQL("GRANT {} ON SEQUENCE {} TO {}").format(
                    sql.SQL(privilege), sql.Identifier(sequence), sql.Identifier(role)
                )
            )
    sequences = connection.execute(
        """
        SELECT objid::regclass::text, refobjid::regclass::text FROM pg_depend
        JOIN pg_class ON pg_class.oid = objid AND relkind = 'S' AND relnamespace = 'public'::regnamespace
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype = 'a'
        """
    ).fetchall()
    for sequence, table in sequences:
        roles = [role for role, right in MATRIX.get(table, {}).items() if "a" in right]
        if roles:
            connection.execute(sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sql.SQL(sequence), _names(roles)))


def restrict_database(connection: Connection) -> None:
    """Take temporary tables from the roles that do not need them, if this role owns the database."""
    owned = connection.execute(
        "SELECT datname FROM pg_database WHERE datname = current_database() AND pg_has_role(datdba, 'USAGE')"
    ).fetchall()
    for (name,) in owned:
        database = sql.Identifier(name)
        connection.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, _names(Role)))
        connection.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, _names(_TEMPORARY_TABLES)))


def _names(roles: Iterable[Role]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, roles))
