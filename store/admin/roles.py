"""Roles of the database: one for each part of Anju, none a superuser.

Roles belong to a server, and only a role that may create roles can make them: a superuser, once (`anju roles` or
`anju up`). Their privileges belong to a database and are granted by its owner (`privileges`).
"""

from collections.abc import Mapping
from enum import StrEnum

from psycopg import sql
from psycopg.errors import DuplicateObject, UniqueViolation

from store.database import Connection, StoreError, translated_errors


class Role(StrEnum):
    """Roles by part: `OWNER` runs migrations, `OPERATOR` the commands of a person at the server."""

    OWNER = "anju_owner"
    INGEST = "anju_ingest"
    API = "anju_api"
    WORKER = "anju_worker"
    DOOR = "anju_door"
    OPERATOR = "anju_operator"
    GRAFANA = "anju_grafana"


class RolesRefusedError(StoreError):
    """The role of this connection may not create roles."""


GRAFANA_CONNECTIONS = 20
GRAFANA_STATEMENT_S = 30

# A session may change these for itself, as every PostgreSQL role may: the worker ends sessions that take longer, and
# the number of connections and the size of temporary files are in the hands of a superuser.
_GRAFANA_DEFAULTS = {
    "default_transaction_read_only": "on",
    "statement_timeout": f"{GRAFANA_STATEMENT_S}s",
    "idle_in_transaction_session_timeout": f"{GRAFANA_STATEMENT_S}s",
    "lock_timeout": "5s",
}
_GRAFANA_TEMPORARY_FILES = "1GB"

# Any role may take an advisory lock, and the holder of the lock of ingest or of the dispatcher stops that part. The
# space of large objects has no bound.
_RESTRICTED_FUNCTIONS = """
    SELECT oid::regprocedure::text, proname LIKE 'pg\\_%' FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
      AND (proname ~ '^pg_(try_)?advisory_' OR proname ~ '^lo_' OR proname IN ('loread', 'lowrite'))
    ORDER BY 1
"""
_MAY_LOCK = (Role.OWNER, Role.INGEST, Role.API, Role.WORKER, Role.OPERATOR)


def missing_roles(connection: Connection) -> list[Role]:
    """Return the roles that the server lacks, in the order of `Role`."""
    present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'anju\\_%'")}
    return [role for role in Role if role not in present]


def may_create_roles(connection: Connection) -> bool:
    """Return whether the role of this connection may create roles."""
    row = connection.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
    return row is not None and bool(row[0])


def is_superuser(connection: Connection) -> bool:
    """Return whether the role of this connection is a superuser."""
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return row is not None and bool(row[0])


def create_roles(connection: Connection) -> None:
    """Create the missing roles, without a login, in a transaction. Two processes may do so at once."""
    for role in missing_roles(connection):
        try:
            with connection.transaction():
                connection.execute(
                    sql.SQL("CREATE ROLE {} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION").format(
                        sql.Identifier(role)
                    )
                )
                if role is Role.GRAFANA:
                    _limit_grafana(connection)
        except (DuplicateObject, UniqueViolation):
            continue  # the other process
    if is_superuser(connection) and not _is_member(connection, Role.OPERATOR, "pg_read_all_data"):
        # The operator makes backups, of every table and of those of TimescaleDB, and sees who holds a lock.
        connection.execute("GRANT pg_read_all_data, pg_read_all_stats TO anju_operator")
    if not _is_member(connection, Role.WORKER, Role.GRAFANA):
        # The worker ends Grafana's long sessions: PostgreSQL asks for the privileges of their role.
        connection.execute("GRANT anju_grafana TO anju_worker WITH INHERIT TRUE, SET FALSE")


def prepare_roles(connection: Connection, passwords: Mapping[Role, str]) -> None:
    """Give a database to its owner, and let the roles log in with these passwords. It may run twice.

    Everything in schema `public` goes to `anju_owner`. The previous owner becomes a member of it, so that an
    installation with a single role goes on.

    Args:
        connection: a superuser's connection to the database, in a transaction.
        passwords: by role; a role without one keeps its login.

    Raises:
        RolesRefusedError: the connection is no superuser's.
    """
    if not is_superuser(connection):
        raise RolesRefusedError(
            "only a superuser can make the roles and give the database to them: set ANJU_DATABASE_URL to "
            "postgresql://postgres:secret@host:port/database for this one command"
        )
    create_roles(connection)
    for role, password in passwords.items():
        # The server stores and logs only what is derived from the password (SCRAM, RFC 5802).
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
        )
    _limit_grafana(connection)  # a role of an older version had fewer limits
    connection.execute(
        sql.SQL("ALTER ROLE anju_grafana SET temp_file_limit = {}").format(sql.Literal(_GRAFANA_TEMPORARY_FILES))
    )
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    _give_to_owner(connection)
    restrict_functions(connection)


def restrict_functions(connection: Connection) -> None:
    """Take advisory locks and large objects from roles that do not need them, as a superuser."""
    lockers = sql.SQL(", ").join(map(sql.Identifier, _MAY_LOCK))
    for signature, is_lock in connection.execute(_RESTRICTED_FUNCTIONS).fetchall():
        function = sql.SQL(signature)
        connection.execute(sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(function))
        if is_lock:
            connection.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, lockers))


def end_long_sessions(connection: Connection, *, longer_than_s: float) -> list[int]:
    """End the sessions of Grafana with a transaction older than this; return their process ids.

    `statement_timeout` does not do it, because a session may set it to another value.
    """
    with translated_errors():
        rows = connection.execute(
            """
            -- Apart, or else the planner may end sessions before it looks whose they are.
            WITH long AS MATERIALIZED (
                SELECT pid FROM pg_stat_activity
                WHERE usename = 'anju_grafana' AND datname = current_database()
                  AND xact_start < clock_timestamp() - make_interval(secs => %s)
            )
            SELECT pid FROM long WHERE pg_terminate_backend(pid) ORDER BY pid
            """,
            (longer_than_s,),
        ).fetchall()
    return [pid for (pid,) in rows]


def _limit_grafana(connection: Connection) -> None:
    connection.execute(sql.SQL("ALTER ROLE anju_grafana CONNECTION LIMIT {}").format(sql.Literal(GRAFANA_CONNECTIONS)))
    for name, value in _GRAFANA_DEFAULTS.items():
        connection.execute(
            sql.SQL("ALTER ROLE anju_grafana SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
        )


def _is_member(connection: Connection, member: Role, role: str) -> bool:
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM pg_auth_members WHERE member = %s::regrole AND roleid = %s::regrole AND inherit_option
        )
        """,
        (member, role),
    ).fetchone()
    return row is not None and bool(row[0])


# Tables and views before their sequences: a sequence of a column changes its owner with the table. Nothing of an
# extension, and no row type.
_NOT_OWNED = """
    SELECT kind, name, owner FROM (
        SELECT CASE class.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind,
               class.oid::regclass::text AS name, class.relowner AS owner, class.oid, 'pg_class'::regclass AS catalog
        FROM pg_class AS class
        WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p', 'v', 'S')
          AND NOT EXISTS (
              SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype IN ('a', 'i')
                AND refclassid = 'pg_class'::regclass
          )
        UNION ALL
        SELECT 'ROUTINE', oid::regprocedure::text, proowner, oid, 'pg_proc'::regclass
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT 'TYPE', type.oid::regtype::text, typowner, type.oid, 'pg_type'::regclass
        FROM pg_type AS type LEFT JOIN pg_class AS class ON class.oid = typrelid
        WHERE typnamespace = 'public'::regnamespace AND typelem = 0 AND coalesce(class.relkind, 'c') = 'c'
    ) AS object
    WHERE owner <> 'anju_owner'::regrole AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = object.catalog AND objid = object.oid AND deptype = 'e'
    )
    ORDER BY kind DESC, name
"""


def _give_to_owner(connection: Connection) -> None:
    objects = connection.execute(_NOT_OWNED).fetchall()
    for kind, name, _ in objects:
        connection.execute(sql.SQL("ALTER {} {} OWNER TO anju_owner").format(sql.SQL(kind), sql.SQL(name)))
    database = connection.execute("SELECT datname, datdba FROM pg_database WHERE datname = current_database()")
    for name, owner in database.fetchall():
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO anju_owner").format(sql.Identifier(name)))
        previous = {owner, *(owner for _, _, owner in objects)}
        for (role,) in connection.execute(
            "SELECT rolname FROM pg_roles WHERE oid = ANY (%s) AND NOT rolsuper AND rolname <> 'anju_owner'",
            (list(previous),),
        ).fetchall():
            connection.execute(sql.SQL("GRANT anju_owner TO {}").format(sql.Identifier(role)))
