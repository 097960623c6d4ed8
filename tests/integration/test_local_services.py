import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from local.binaries import find_postgres
from local.errors import LocalError
from local.home import Home
from local.process import Part, Process
from local.services import Services, prepare_broker, prepare_database, start_services
from local.supervisor import Supervisor
from local.users import service_user
from patience import eventually, patient, slowness, within
from store.admin.roles import Role

ROOT = Path(__file__).parents[2]


def owner(process: Process) -> int:
    return Path(f"/proc/{process.pid}").stat().st_uid


def runs(pid: int) -> bool:
    """Return whether the process runs; an ended one may still wait for init to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def rows(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_the_database_is_timescaledb_in_its_apache_edition(local_services: Services):
    assert rows(local_services.database_url, "select extname from pg_extension where extname = 'timescaledb'")
    assert rows(local_services.database_url, "show timescaledb.license") == [("apache",)]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jit", "off"),
        ("timescaledb.telemetry_level", "off"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("timezone", "UTC"),
        ("server_encoding", "UTF8"),
    ],
)
def test_the_database_runs_with_our_settings(local_services: Services, setting: str, value: str):
    assert rows(local_services.database_url, f"show {setting}") == [(value,)]


def test_chinese_text_is_text(local_services: Services):
    assert rows(local_services.database_url, r"select '安居' ~ '^\w+$', lower('ÄÖ')") == [(True, "äö")]


def test_our_role_is_bound_by_row_level_security(local_services: Services):
    query = "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
    assert rows(local_services.database_url, query) == [(False, False)]


def test_a_wrong_password_is_refused(local_services: Services):
    url = local_services.database_url.replace("anju_owner:", "anju_owner:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_each_test_gets_an_empty_database_of_its_own(empty_database_url: str, local_services: Services):
    assert rows(empty_database_url, "select current_database()") != rows(
        local_services.database_url, "select current_database()"
    )
    assert rows(empty_database_url, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]
    assert rows(empty_database_url, "select count(*) from pg_extension where extname = 'timescaledb'") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")
def test_as_root_each_server_runs_as_an_unprivileged_user_of_its_own(local_services: Services):
    users = [service_user(name) for name in ("postgres", "broker")]
    assert [owner(local_services.postgres), owner(local_services.broker)] == [user.uid for user in users if user]
    assert len({0, owner(local_services.postgres), owner(local_services.broker)}) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")
@pytest.mark.slow
def test_the_data_of_a_version_with_one_user_for_all_servers_goes_to_the_user_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANJU_LOCAL_USER", "nobody")
    with start_services(tmp_path, print) as older, psycopg.connect(older.database_url) as connection:
        connection.execute("create table marks as select 42 as answer")
        connection.commit()
        assert owner(older.postgres) == owner(older.broker) == pwd.getpwnam("nobody").pw_uid
    monkeypatch.delenv("ANJU_LOCAL_USER")
    with start_services(tmp_path, print) as newer:
        assert rows(newer.database_url, "select answer from marks") == [(42,)]
        assert owner(newer.postgres) != owner(newer.broker)
        for name, process in (("postgres", newer.postgres), ("broker", newer.broker)):
            files = [tmp_path / name, *(tmp_path / name).rglob("*")]
            assert {file.lstat().st_uid for file in files} == {owner(process)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")
def test_as_root_the_data_directory_may_be_in_a_folder_closed_to_the_unprivileged_user(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with start_services(closed / "data", print) as services:
        assert rows(services.database_url, "select 1") == [(1,)]


def test_secrets_are_readable_by_their_user_only(tmp_path: Path):
    with start_services(tmp_path, print):
        files = [*(tmp_path / "postgres").glob("*password"), *(tmp_path / "broker").glob("*.*")]
    names = {file.name for file in files}
    assert names >= {"password", *(f"{role}.password" for role in Role)}
    assert names >= {"broker.conf", "store.key", "door.seed"}
    assert names >= {f"{account}.password" for account in ("door", "ingest", "publisher", "reader")}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files if file.is_file()} == {0o600}


def test_a_second_start_keeps_urls_and_data(tmp_path: Path):
    with start_services(tmp_path, print) as first, psycopg.connect(first.database_url) as connection:
        connection.execute("create table marks as select 42 as answer")
        connection.commit()
    with start_services(tmp_path, print) as second:
        assert (second.database_url, second.mqtt_url) == (first.database_url, first.mqtt_url)
        assert rows(second.database_url, "select answer from marks") == [(42,)]


def test_two_data_directories_run_side_by_side(tmp_path: Path, local_services: Services):
    with start_services(tmp_path / "other", print) as other:
        assert other.database_url != local_services.database_url
        assert rows(other.database_url, "select 1") == rows(local_services.database_url, "select 1")


def test_a_data_directory_has_one_owner_at_a_time(tmp_path: Path):
    with start_services(tmp_path, print) as services:
        with pytest.raises(LocalError, match=rf"in use by another Anju \(process {os.getpid()}\)"):
            start_services(tmp_path, print)
        assert services.postgres.alive()


def test_committed_rows_survive_kill_9_of_the_database(mortal_database: str, local_services: Services):
    with psycopg.connect(mortal_database, autocommit=True) as connection:
        connection.execute("create table marks (n int)")
        for n in range(200):
            connection.execute("insert into marks values (%s)", [n])
        local_services.postgres.kill()
    local_services.postgres.start()
    assert rows(mortal_database, "select count(*), sum(n) from marks") == [(200, 19900)]


def test_a_backend_that_outlives_the_killed_database_does_not_block_its_restart(local_services: Services):
    with psycopg.connect(local_services.database_url, autocommit=True) as connection:
        backend = connection.info.backend_pid

        def spin() -> None:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("do $$ begin loop perform 1; end loop; end $$")

        busy = threading.Thread(target=spin)
        busy.start()
        eventually(lambda: connection.info.transaction_status == TransactionStatus.ACTIVE)
        time.sleep(0.3 * slowness())
        local_services.postgres.kill()
        assert runs(backend)
        local_services.postgres.start()
        busy.join(patient(10))
        assert not busy.is_alive()
    assert not runs(backend)
    assert rows(local_services.database_url, "select 1") == [(1,)]


def test_after_a_failed_start_nothing_is_left_running(tmp_path: Path):
    with start_services(tmp_path, print):
        pass
    (tmp_path / "postgres" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(LocalError, match=r"postgres ended with status .*(?s:.*)pg_control"):
        start_services(tmp_path, print)
    assert list((tmp_path / "run").glob("*.pid")) == []


def test_a_cluster_of_another_major_version_is_left_alone_and_named(tmp_path: Path):
    with start_services(tmp_path, print):
        pass
    (tmp_path / "postgres" / "cluster" / "PG_VERSION").write_text("12\n")
    with pytest.raises(LocalError, match="was made by PostgreSQL 12"):
        start_services(tmp_path, print)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")
def test_servers_that_the_unprivileged_user_cannot_reach_are_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "servers").symlink_to(find_postgres(print).folder.parents[4])
    monkeypatch.setenv("ANJU_LOCAL_PREFIX", str(closed / "servers"))
    with pytest.raises(LocalError, match=r"cannot be run as user nobody: Permission denied.*ANJU_LOCAL_PREFIX"):
        start_services(tmp_path / "data", print)


def test_an_impossible_data_directory_is_an_error_with_the_reason(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match=r"cannot hold Anju's data \(Not a directory"):
        start_services(tmp_path / "file" / "data", print)


def test_a_killed_database_under_supervision_is_started_again_within_five_seconds_and_answers(tmp_path: Path):
    with Home(tmp_path) as home, Supervisor(home, print) as supervisor:
        parts = [prepare_database(home, print).part(), *prepare_broker(home, print).parts]
        database, _ = supervisor.start_together(parts)
        stop, first = threading.Event(), database.pid
        watching = threading.Thread(target=supervisor.watch, args=(stop,))
        watching.start()
        try:
            os.kill(first, signal.SIGKILL)
            within(5, lambda: database.pid not in {0, first})
        finally:
            stop.set()
            watching.join(patient(10))
        eventually(lambda: is_ready(parts[0]), timeout_s=60)  # the time of the recovery depends on the disk


def is_ready(part: Part) -> bool:
    try:
        part.check_ready()
    except LocalError:
        return False
    return True


def test_after_kill_9_of_everything_at_once_the_next_start_keeps_urls_and_data(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from local.services import start_services\n"
        "services = start_services(Path(sys.argv[1]), lambda line: None)\n"
        "print(services.database_url, flush=True); time.sleep(1000)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner_process:
        assert owner_process.stdout is not None
        url = owner_process.stdout.readline().strip()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table marks as select 42 as answer")
        owner_process.kill()
    with start_services(tmp_path, print) as services:
        assert services.database_url == url
        assert rows(url, "select answer from marks") == [(42,)]
