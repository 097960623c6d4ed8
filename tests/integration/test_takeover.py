"""Databases of the version with one role are taken over by `anju up` and by `anju roles`, and go on without either."""

from contextlib import closing
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from bare_database import bare_server
from cli import anju
from local.services import start_services
from running import query, register
from store.admin.audit_chain import check_chain, read_chain
from store.admin.migrate import migrate
from store.admin.privileges import grants_in_force, table_columns, wanted_grants
from store.admin.roles import Role
from store.database import connect
from store.notices.job_queue import create_job_tables
from store.telemetry.schema import create_telemetry_tables

pytestmark = pytest.mark.slow

LAST_WITH_ONE_ROLE = "20261201000026"
FOREIGN_OWNED = """
    SELECT relname, pg_get_userbyid(relowner) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S', 'i')
      AND relowner <> 'anju_owner'::regrole
    UNION SELECT proname, pg_get_userbyid(proowner) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proowner <> 'anju_owner'::regrole AND NOT EXISTS (
        SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e'
    )
"""


def make_older_database(superuser_url: str, powers: str) -> str:
    """Make the database of the last version with one role, as it made it; return the URL of the role `anju`."""
    password = urlsplit(superuser_url).password or ""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE anju LOGIN {} PASSWORD {}").format(sql.SQL(powers), sql.Literal(password))
        )
        connection.execute("ALTER DATABASE anju OWNER TO anju")
    url = superuser_url.replace("postgres:", "anju:", 1)
    shipped = sorted((files("store") / "migrations").iterdir(), key=lambda entry: entry.name)
    with closing(connect(url, application_name="test")) as connection:
        connection.autocommit = True
        connection.execute("CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)")
        for entry in shipped:
            version = entry.name.split("_")[0]
            if version <= LAST_WITH_ONE_ROLE:
                connection.execute(entry.read_text("utf-8").split("-- migrate:down")[0].encode())
                connection.execute("INSERT INTO schema_migrations VALUES (%s)", (version,))
        with connection.transaction():
            create_telemetry_tables(connection)
            create_job_tables(connection)
        for n in range(3):
            connection.execute(
                "INSERT INTO audit_log (at, actor, action, subject, subject_id, before, after) "
                "VALUES (now(), 'cli', 'import', 'registry', %s, '{}', '{}')",
                (str(n),),
            )
    register_older(url)
    return url


def register_older(url: str) -> None:
    query(
        url,
        """
        WITH place AS (
            INSERT INTO community (id, name, banner, street) VALUES ('c', '阳光小区', '东胜区', '某街道') RETURNING id
        ), meter AS (
            INSERT INTO device (community, name, kind) SELECT id, 'w1', 'water_meter' FROM place RETURNING id
        )
        INSERT INTO telemetry_water_meter (device_id, ts, received_at, volume_m3)
        SELECT id, now() - n * interval '7 days', now(), n FROM meter, generate_series(1, 3) AS n RETURNING ts
        """,
    )


def assert_taken_over(owner_url: str, parts: dict[Role, str]) -> None:
    """Check that all belongs to the owner, all rows are there, each part works, and the chain is whole."""
    assert query(owner_url, FOREIGN_OWNED) == []
    assert query(owner_url, "SELECT count(*) FROM telemetry_water_meter") == [(3,)]
    with connect(owner_url, application_name="test") as connection:
        assert grants_in_force(connection) == wanted_grants(table_columns(connection))
        report = check_chain(read_chain(connection))
        assert (report.rows, report.broken) == (3, None)
    register(parts[Role.OPERATOR], "new", [("w2", "water_meter")])
    insert = (
        "INSERT INTO telemetry_water_meter (device_id, ts, received_at) VALUES (1, now(), now()) RETURNING device_id"
    )
    assert query(parts[Role.INGEST], insert) == [(1,)]
    old = "INSERT INTO telemetry_water_meter (device_id, ts, received_at) VALUES (1, '2020-01-01', now()) RETURNING ts"
    assert len(query(parts[Role.INGEST], old)) == 1  # into a new chunk, which belongs to the owner
    dropped = query(parts[Role.WORKER], "SELECT drop_chunks_before('telemetry_water_meter', '2021-01-01')")
    assert dropped == [(1,)]


def test_anju_up_takes_over_a_database_with_one_role(tmp_path: Path) -> None:
    with bare_server(tmp_path) as superuser_url:
        make_older_database(superuser_url, "CREATEDB CREATEROLE")
    with start_services(tmp_path / "data", print) as services:
        assert migrate(services.database_url) is None
        assert_taken_over(services.database_url, dict(services.role_urls))
        assert query(services.superuser_url, "SELECT rolname FROM pg_roles WHERE rolname = 'anju'") == []
    with start_services(tmp_path / "data", print) as services:  # and goes on
        assert migrate(services.database_url) is None


@pytest.mark.parametrize("powers", ["SUPERUSER", "NOSUPERUSER"])
def test_anju_roles_takes_over_a_database_with_one_role(tmp_path: Path, powers: str) -> None:
    """With Docker Compose that one role is the superuser itself."""
    with bare_server(tmp_path) as superuser_url:
        one = make_older_database(superuser_url, powers)
        if powers == "NOSUPERUSER":
            migrated = anju("migrate", cwd=tmp_path, ANJU_DATABASE_URL=one)
            assert (migrated.returncode, "run `anju roles --urls FOLDER` once" in migrated.stdout) == (0, True)
            register(one, "single", [("w3", "water_meter")])
            refused = anju("roles", "--urls", "urls", cwd=tmp_path, ANJU_DATABASE_URL=one)
            assert (refused.returncode, "only a superuser" in refused.stderr) == (1, True)
            assert not (tmp_path / "urls").exists()
        by = one if powers == "SUPERUSER" else superuser_url
        for _ in range(2):
            done = anju("roles", "--urls", "urls", cwd=tmp_path, ANJU_DATABASE_URL=by)
            assert done.returncode == 0, done.stderr
        urls = {role: url_of(tmp_path, role) for role in Role}
        assert anju("migrate", cwd=tmp_path, ANJU_DATABASE_URL=urls[Role.OWNER]).returncode == 0
        assert_taken_over(urls[Role.OWNER], urls)
        # A part that still has the old URL goes on.
        assert query(one, "SELECT count(*) > 0 FROM telemetry_water_meter") == [(True,)]


def test_a_changed_url_changes_the_password_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    with bare_server(tmp_path) as superuser_url:
        anju("roles", "--urls", "urls", cwd=tmp_path, ANJU_DATABASE_URL=superuser_url)
        file, old = tmp_path / "urls" / "api_database_url", url_of(tmp_path, Role.API)
        password = urlsplit(old).password or ""
        file.write_text(old.replace(password, "another%20pass%2Fword"))
        assert anju("roles", "--urls", "urls", cwd=tmp_path, ANJU_DATABASE_URL=superuser_url).returncode == 0
        assert query(url_of(tmp_path, Role.API), "SELECT current_user") == [("anju_api",)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(old, "SELECT 1")
        for wrong in ("nonsense", old.replace("anju_api", "anju_owner"), "postgresql://anju_api@127.0.0.1/anju"):
            file.write_text(wrong)
            done = anju("roles", "--urls", "urls", cwd=tmp_path, ANJU_DATABASE_URL=superuser_url)
            assert done.returncode == 2
            assert "api_database_url must hold postgresql://anju_api:secret@host:port/database" in done.stderr
            assert wrong not in done.stderr


def url_of(folder: Path, role: Role) -> str:
    return (folder / "urls" / f"{role.removeprefix('anju_')}_database_url").read_text().strip()
