"""A backup restored into an empty database holds every row, and what can't be restored is refused in words."""

import json
import os
import re
import stat
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pyrage
import pytest

from app.backup_file import identity_of, key_id_of, write_backup
from app.commands.backup import backups_in
from app.failures import explain
from app.settings import SettingsError
from cli import environment, invoke
from database_roles import as_role
from disk import fill, small_disk
from local.binaries import find_postgres_clients
from patience import eventually
from run_guard import VARIABLE
from running import ANJU, SECRET_KEY, query, register
from shared_database import empty_database, execute
from store.admin.backup import dumped, last_backup
from store.admin.migrate import migrate
from store.admin.roles import Role
from store.database import StoreError, connect

OTHER_KEY = "another key of the same length"


@pytest.fixture
def filled(database_url):
    """Return a database with devices, readings in several chunks, events and a job."""
    register(database_url, "yangguang", [("g1", "gateway"), ("w1", "water_meter", "g1"), ("c1", "camera")])
    query(
        database_url,
        """
        INSERT INTO telemetry_water_meter (device_id, ts, received_at, volume_m3)
        SELECT id, now() - n * interval '1 day', now(), n FROM device, generate_series(1, 40) AS n
        WHERE kind = 'water_meter' RETURNING ts
        """,
    )
    query(
        database_url,
        "INSERT INTO event (device_id, ts, received_at, event, id, data) "
        "SELECT id, now(), now(), 'online', 'e1', '{}' FROM device RETURNING ts",
    )
    return database_url


@pytest.fixture
def empty(superuser_server):
    """Return an empty database, for its superuser."""
    with empty_database(superuser_server) as url:
        yield url


@pytest.fixture
def run(tmp_path):
    """A function that runs a command with a database; gives its exit code and its output or message."""

    def command(*words, database_url, **settings):
        given = {"ANJU_DATABASE_URL": database_url, "ANJU_SECRET_KEY": SECRET_KEY, **settings}
        try:
            done = invoke(*words, cwd=tmp_path, **given)
        except (StoreError, SettingsError) as error:
            message, code = explain(error)
            return int(code), message
        return done.returncode, done.stdout + done.stderr

    return command


@pytest.fixture
def file(run, filled, tmp_path):
    """Return a backup of the filled database, made by the role that makes it every night."""
    code, said = run("backup", tmp_path / "backups", database_url=as_role(filled, Role.OPERATOR))
    assert code == 0, said
    (made,) = backups_in(tmp_path / "backups")
    return made


def counts(url):
    tables = query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {name: query(url, f"SELECT count(*) FROM {name}")[0][0] for (name,) in tables}


def test_a_round_trip_keeps_every_row_and_the_database_goes_on(run, filled, file, empty):
    before = counts(filled)
    code, said = run("restore", file, database_url=empty)
    assert code == 0, said
    assert counts(empty) == {**before, "backup_run": 0}  # it was recorded after its snapshot
    read = "SELECT ts, volume_m3 FROM telemetry_water_meter ORDER BY ts"
    assert query(empty, read) == query(filled, read)
    migrate(empty)
    register(empty, "yangguang", [("w2", "water_meter")])
    query(
        empty,
        "INSERT INTO telemetry_water_meter (device_id, ts, received_at, volume_m3) "
        "SELECT id, now() + interval '90 days', now(), 1 FROM device WHERE name = 'w2' RETURNING ts",
    )
    (chunks,) = query(empty, "SELECT count(*) FROM show_chunks('telemetry_water_meter')")
    assert chunks[0] > 5
    assert query(empty, "SHOW timescaledb.restoring") == [("off",)]


def test_the_file_is_closed_to_others_encrypted_and_recorded(filled, file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    content = file.read_bytes()
    assert content.startswith(b"age-encryption.org/v1\n")
    assert b"yangguang" not in content
    assert b"PGDMP" not in content
    with connect(filled, application_name="test") as connection:
        run = last_backup(connection)
    assert (run.file, run.bytes) == (file.name, len(content))


def test_it_tells_what_the_broker_held(run, filled, tmp_path):
    _, said = run("backup", tmp_path / "one", database_url=filled)
    assert "Ingest was behind: messages that came since before the first ingest may have waited in the broker" in said
    query(
        filled,
        "INSERT INTO partition_report (partition, host, pid, owner_since, committed_at, live, present_at, buffered) "
        "VALUES (0, 'h', 1, now(), now(), true, '2026-11-30 08:00Z', 0) RETURNING 1",
    )
    code, said = run("backup", tmp_path / "two", "--json", database_url=filled)
    assert code == 0
    assert json.loads(said)["caught_up"] is False  # its owner has gone
    assert json.loads(said)["caught_up_at"].startswith("2026-11-30 08:00")


def test_another_key_opens_nothing(run, file, empty):
    code, said = run("restore", file, database_url=empty, ANJU_SECRET_KEY=OTHER_KEY)
    assert (code, "was encrypted for another key" in said) == (1, True)
    assert counts(empty) == {}


def test_a_key_that_was_rotated_since_still_opens_it(run, file, empty):
    keys = {"ANJU_SECRET_KEY": OTHER_KEY, "ANJU_SECRET_KEY_OLD": SECRET_KEY}
    assert run("restore", file, database_url=empty, **keys)[0] == 0
    assert counts(empty)["device"] == 3


@pytest.mark.parametrize("left", [0, 10, 100, 400, 0.5, 0.999, -1])
def test_a_truncated_file_is_refused_before_anything_is_written(run, file, empty, left):
    content = file.read_bytes()
    file.write_bytes(content[: round(left * len(content)) if isinstance(left, float) else left])
    code, said = run("restore", file, database_url=empty)
    assert code == 1
    assert re.search(r"is truncated|is no backup", said), said
    assert counts(empty) == {}


def test_a_changed_byte_is_noticed_wherever_it_stands(run, file):
    content = file.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 12)):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        assert run("restore", file, "--check", database_url="postgresql://nobody@127.0.0.1:1/none")[0] == 1


def test_a_check_needs_no_database_and_describes_the_file(run, file):
    code, said = run("restore", file, "--check", database_url="postgresql://nobody@127.0.0.1:1/none")
    assert code == 0
    assert re.search(r"is whole: [\d,]+ rows of \d+ tables from 20", said)


def test_a_database_that_is_not_empty_is_left_alone(run, filled, file, superuser_server):
    superuser = urlsplit(superuser_server)._replace(path=urlsplit(filled).path).geturl()
    before = counts(filled)
    code, said = run("restore", file, database_url=superuser)
    assert (code, "restored into an empty one only" in said) == (1, True)
    assert counts(filled) == before


@pytest.mark.skipif("ANJU_TEST_DATABASE_URL" in os.environ, reason="that server may have one role only")
def test_a_role_that_is_no_superuser_is_told_so(run, file, empty_database_url):
    code, said = run("restore", file, database_url=empty_database_url)
    assert (code, "only a superuser may" in said) == (1, True)
    assert counts(empty_database_url) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"migrations": ("20991231000001",)}, "made by a newer Anju"),
        ({"postgresql": 99}, "is of PostgreSQL 99, and this server is older"),
        ({"timescaledb": "1.0.0"}, "is of TimescaleDB 1.0.0, and this server has"),
        ({"rows": {"device": 7}}, "device has 3 rows instead of 7"),
    ],
    ids=["newer Anju", "newer PostgreSQL", "older TimescaleDB", "other counts"],
)
def test_a_backup_that_does_not_fit_is_refused(run, filled, empty, change, words):
    file = Path(os.environ[VARIABLE], "changed.backup.age")
    file.unlink(missing_ok=True)
    programs = find_postgres_clients(17, print)
    with dumped(filled, programs) as (contents, dump):
        changed = replace(contents, key_id=key_id_of(SECRET_KEY), **change)
        write_backup(file, changed, dump, [identity_of(SECRET_KEY).to_public()])
    code, said = run("restore", file, database_url=empty)
    assert code == 1
    assert words in said


def test_a_backup_of_an_older_anju_is_restored_and_brought_to_this_version(run, database_url, empty, tmp_path):
    query(database_url, "DELETE FROM schema_migrations WHERE version = '20261201000049' RETURNING version")
    execute(database_url, psycopg.sql.SQL("DROP TABLE disk_report, backup_run"))
    assert run("backup", tmp_path / "old", database_url=database_url)[0] == 0
    (file,) = backups_in(tmp_path / "old")
    assert run("restore", file, database_url=empty)[0] == 0
    assert "backup_run" not in counts(empty)
    migrate(empty)
    assert counts(empty)["backup_run"] == 0


def test_a_recipient_opens_it_and_the_secret_key_does_not(run, filled, empty, tmp_path):
    kept = pyrage.x25519.Identity.generate()
    key_file = tmp_path / "identity"
    key_file.touch(0o600)
    key_file.write_text(f"# created: today\n# public key: {kept.to_public()}\n{kept}\n")
    settings = {"ANJU_BACKUP_DIR": str(tmp_path / "to"), "ANJU_BACKUP_RECIPIENT": str(kept.to_public())}
    assert run("backup", database_url=filled, **settings)[0] == 0
    (file,) = backups_in(tmp_path / "to")
    assert run("restore", file, "--check", database_url=empty)[0] == 1
    code, said = run("restore", file, "--identity", key_file, database_url=empty, ANJU_SECRET_KEY=OTHER_KEY)
    assert (code, "not the one of the installation that was backed up" in said) == (1, True)
    assert run("restore", file, "--identity", key_file, database_url=empty)[0] == 0
    assert counts(empty)["device"] == 3


def test_only_the_newest_stay(run, database_url, tmp_path):
    for day in range(1, 4):
        (tmp_path / f"anju-2026110{day}T000000Z.backup.age").touch()
    (tmp_path / "notes.txt").touch()
    assert run("backup", tmp_path, "--keep", "2", database_url=database_url)[0] == 0
    names = [file.name for file in backups_in(tmp_path)]
    assert names[0] == "anju-20261103T000000Z.backup.age"
    assert len(names) == 2
    assert (tmp_path / "notes.txt").exists()


def test_a_full_disk_is_called_full_and_leaves_no_half_of_a_file(run, filled, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        code, said = run("backup", disk, database_url=filled)
        assert (code, f"the disk of {disk} is full" in said) == (1, True)
        assert [file.name for file in disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (["backup"], {}, "name the FOLDER for the backup, or set ANJU_BACKUP_DIR"),
        (["backup", "b", "--recipient", "me"], {}, "'me' is no public key of age"),
        (["backup", "b", "--daily", "half past two"], {}, "is no time of day"),
    ],
)
def test_wrong_usage_is_named(run, database_url, words, settings, message):
    code, said = run(*words, database_url=database_url, **settings)
    assert (code, message in said) == (2, True)


def test_a_database_without_tables_is_no_backup(run, empty_database_url, tmp_path):
    code, said = run("backup", tmp_path, database_url=empty_database_url)
    assert (code, "run `anju migrate` first" in said) == (1, True)
    assert backups_in(tmp_path) == []


@contextmanager
def nightly(database_url, folder, log):
    """Run `anju backup --daily` during the block; it ends in good order on SIGTERM."""
    settings = {"ANJU_DATABASE_URL": database_url, "ANJU_SECRET_KEY": SECRET_KEY}
    words = [ANJU, "backup", folder, "--daily", "02:30"]
    with (
        log.open("wb") as output,
        subprocess.Popen(words, cwd=log.parent, env=environment(settings), stderr=output) as run,
    ):
        try:
            yield
        finally:
            run.terminate()
    assert run.returncode == 0


def test_the_nightly_one_comes_at_once_where_there_is_none_and_then_waits(filled, tmp_path):
    with nightly(filled, tmp_path / "backups", tmp_path / "log"):
        eventually(lambda: "backup made" in (tmp_path / "log").read_text())
    (first,) = backups_in(tmp_path / "backups")
    with nightly(filled, tmp_path / "backups", tmp_path / "log"):
        eventually(lambda: "the next backup is due" in (tmp_path / "log").read_text())
    assert backups_in(tmp_path / "backups") == [first]


def test_a_nightly_one_that_fails_is_tried_again(tmp_path):
    with nightly("postgresql://anju:secret@127.0.0.1:1/anju", tmp_path / "backups", tmp_path / "log"):
        eventually(lambda: "the backup failed, trying again in ten minutes" in (tmp_path / "log").read_text())
    assert "the database is not available" in (tmp_path / "log").read_text()
    assert "secret" not in (tmp_path / "log").read_text()
