"""The audit log against those who could change it: chained in the database, proved from outside it."""

import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from cli import invoke
from database_roles import as_role
from running import query
from store.admin.audit import Change, record_change
from store.admin.audit_chain import check_chain, read_chain, read_head, row_hash
from store.admin.roles import Role
from store.database import connect

REHASHED = """
    UPDATE audit_log SET hash = audit_hash((SELECT hash FROM audit_log WHERE id = 3), audit_log) WHERE id = 4
"""
REHASHED_LAST = "UPDATE audit_log SET hash = audit_hash((SELECT hash FROM audit_head), audit_log) WHERE id = 11"
PUT_IN = """
    INSERT INTO audit_log
    SELECT 11, at, actor, person, action, subject, subject_id, before, after, 'new',
"""
NOW = datetime(2026, 12, 1, 8, 30, 15, 123456, tzinfo=UTC)


def change(n: int, **values: object) -> Change:
    facts = {"before": {"state": "未处理"}, "after": {"n": n, "x": 1.50}, "person": "王师傅", "request_key": None}
    return Change(at=NOW, actor="api", action="assign", subject="alert", subject_id=str(n), **{**facts, **values})


def record(url: str, *changes: Change) -> None:
    with connect(url, application_name="test") as connection:
        for each in changes:
            record_change(connection, each)


@contextmanager
def without_guards(url: str):
    """Connect as the owner, with the triggers of the log off: as who has taken over the owner's role."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        yield connection
        connection.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")


@pytest.fixture
def log(database_url: str, tmp_path: Path):
    """Run `anju audit` as the operator, on a log of ten rows."""
    record(as_role(database_url, Role.API), *(change(n, request_key=f"k{n}") for n in range(10)))

    def run(*arguments: object):
        return invoke("audit", *arguments, cwd=tmp_path, ANJU_DATABASE_URL=as_role(database_url, Role.OPERATOR))

    return run


def test_rows_of_every_writer_are_chained_in_the_order_of_their_ids(database_url):
    for n, role in enumerate((Role.API, Role.WORKER, Role.OPERATOR)):
        record(
            as_role(database_url, role), change(n), change(n + 10, person=None, before={}, after={"字": ["é", None]})
        )
    with connect(as_role(database_url, Role.OPERATOR), application_name="test") as connection:
        rows = list(read_chain(connection))
        assert [row.id for row in rows] == [1, 2, 3, 4, 5, 6]
        assert all(row.hash == row_hash(row) for row in rows)
        report = check_chain(rows)
        assert report.broken is None
        assert report.head == read_head(connection)


def test_the_writer_chooses_neither_the_id_nor_the_hash(database_url):
    with psycopg.connect(as_role(database_url, Role.API), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO audit_log (id, at, actor, action, subject, subject_id, before, after, hash) "
            "VALUES (4711, now(), 'api', 'a', 'alert', 'x', '{}', '{}', decode(repeat('ff', 32), 'hex'))"
        )
    with connect(database_url, application_name="test") as connection:
        assert [row.id for row in read_chain(connection)] == [1]
        assert check_chain(read_chain(connection)).broken is None


def test_a_change_that_is_rolled_back_leaves_no_gap(database_url):
    url = as_role(database_url, Role.API)
    record(url, change(1))
    with connect(url, application_name="test") as connection:
        record_change(connection, change(2))
        connection.rollback()
    record(url, change(3))
    assert query(database_url, "SELECT id, subject_id FROM audit_log ORDER BY id") == [(1, "1"), (2, "3")]


def test_many_writers_at_once_make_one_chain(database_url):
    urls = [as_role(database_url, role) for role in (Role.API, Role.WORKER, Role.OPERATOR)]
    together = threading.Barrier(6)

    def write(writer: int) -> None:
        together.wait()
        for n in range(20):
            record(urls[writer % 3], change(writer * 100 + n), change(writer * 100 + n + 50))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    with connect(database_url, application_name="test") as connection:
        report = check_chain(read_chain(connection))
        assert (report.rows, report.broken) == (240, None)


def test_a_whole_log_is_proved_and_its_head_shown(log, database_url):
    done = log("verify")
    (newest,) = query(database_url, "SELECT encode(hash, 'hex') FROM audit_head")[0]
    assert (done.returncode, done.stdout) == (0, f"database: 10 rows, unbroken; head 10:{newest}\n")


def test_an_empty_log_is_whole(database_url, tmp_path):
    done = invoke("audit", "verify", "--json", cwd=tmp_path, ANJU_DATABASE_URL=as_role(database_url, Role.OPERATOR))
    (report,) = json.loads(done.stdout)
    assert (done.returncode, report["rows"], report["broken"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("attack", "broken"),
    [
        ("UPDATE audit_log SET person = '别人' WHERE id = 4", 4),
        ("UPDATE audit_log SET person = NULL WHERE id = 4", 4),
        ("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE id = 4", 4),
        ("UPDATE audit_log SET after = after || '{\"n\": 5}' WHERE id = 4", 4),
        ("UPDATE audit_log SET request_key = NULL WHERE id = 4", 4),
        ("UPDATE audit_log SET hash = sha256('x') WHERE id = 4", 4),
        # A row with a hash that fits, followed by one that does not follow from it.
        (f"UPDATE audit_log SET actor = 'x' WHERE id = 4; {REHASHED}", 5),
        ("DELETE FROM audit_log WHERE id = 1", 2),
        ("DELETE FROM audit_log WHERE id = 4", 5),
        ("DELETE FROM audit_log WHERE id >= 8", 8),
        ("UPDATE audit_log SET id = CASE id WHEN 4 THEN 104 WHEN 5 THEN 4 END WHERE id IN (4, 5)", 4),
        (f"{PUT_IN} sha256('x') FROM audit_log WHERE id = 4", 11),
        (f"{PUT_IN} sha256('x') FROM audit_log WHERE id = 4; {REHASHED_LAST}", 11),
    ],
)
def test_the_first_broken_row_is_named(log, database_url, attack, broken):
    with without_guards(database_url) as owner:
        owner.execute(attack)
    done = log("verify")
    assert done.returncode == 1, done.stdout
    assert done.stdout == f"database: broken at row {broken}: it was changed or is missing, or a row before it is\n"


def cut_off_and_forge(owner: psycopg.Connection) -> None:
    """Cut off the newest rows, put the head back, and go on: the chain alone shows nothing of it."""
    owner.execute("DELETE FROM audit_log WHERE id > 7")
    owner.execute("UPDATE audit_head SET (id, hash) = (SELECT id, hash FROM audit_log WHERE id = 7)")


def test_rows_cut_off_at_the_end_are_missed_by_an_export(log, database_url, tmp_path):
    assert log("export", "--out", "old.jsonl").returncode == 0
    with without_guards(database_url) as owner:
        cut_off_and_forge(owner)
    record(as_role(database_url, Role.API), *(change(n) for n in range(20, 30)))
    assert log("verify").returncode == 0
    done = log("verify", "--export", "old.jsonl")
    assert done.returncode == 1
    assert "old.jsonl: 10 rows, unbroken" in done.stdout
    assert "database: broken at row 8:" in done.stdout


def test_rows_cut_off_at_the_end_are_missed_by_a_head_of_the_workers_log(log, database_url):
    head = log("verify").stdout.rpartition(" ")[2].strip()
    record(as_role(database_url, Role.API), change(20))
    assert log("verify", "--head", head).returncode == 0
    with without_guards(database_url) as owner:
        cut_off_and_forge(owner)
    assert log("verify").returncode == 0
    assert log("verify", "--head", head).returncode == 1


def test_an_export_is_proved_without_a_database(log, tmp_path):
    assert log("export", "--days", "100000", "--out", "log.jsonl").returncode == 0
    file = tmp_path / "log.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert invoke("audit", "verify", "--export", file, "--offline", cwd=tmp_path).returncode == 0
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert json.loads(lines[3])["person"] == "王师傅"
    part = tmp_path / "part.jsonl"
    for left, code in ((lines[4:], 0), (lines[:4], 0), (lines[:4] + lines[5:], 1), (lines[::-1], 1)):
        part.write_text("".join(left), encoding="utf-8")
        assert invoke("audit", "verify", "--export", part, "--offline", cwd=tmp_path).returncode == code
    part.write_text("".join(lines).replace("王师傅", "李师傅", 1), encoding="utf-8")
    done = invoke("audit", "verify", "--export", part, "--offline", cwd=tmp_path)
    assert (done.returncode, "broken at row 1" in done.stdout) == (1, True)


@pytest.mark.parametrize("line", ["", "nonsense", "[]", '{"id": 1}', '{"id": 1, "previous": 5}', "null"])
def test_a_file_that_is_no_export_is_named(line, tmp_path):
    file = tmp_path / "other.jsonl"
    file.write_text(f"{line}\n")
    done = invoke("audit", "verify", "--export", file, "--offline", cwd=tmp_path)
    assert done.returncode == 1
    assert "other.jsonl, line 1 is no line of `anju audit export`" in done.stderr


def test_an_export_has_the_rows_since_a_day_in_one_piece(database_url, tmp_path):
    old, new = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)
    url = as_role(database_url, Role.API)
    for n, at in enumerate((old, old, new, old, new)):  # the clock of a writer may be behind that of another
        with connect(url, application_name="test") as connection:
            record_change(connection, Change(**{**vars_of(change(n)), "at": at}))
    done = invoke("audit", "export", cwd=tmp_path, ANJU_DATABASE_URL=as_role(database_url, Role.OPERATOR))
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [3, 4, 5]
    (tmp_path / "out.jsonl").write_text(done.stdout, encoding="utf-8")
    assert invoke("audit", "verify", "--export", "out.jsonl", "--offline", cwd=tmp_path).returncode == 0


def vars_of(each: Change) -> dict[str, object]:
    return {name: getattr(each, name) for name in Change.__slots__}


def test_an_export_is_never_written_over_another_file(log, tmp_path):
    (tmp_path / "log.jsonl").write_text("mine")
    with pytest.raises(FileExistsError):  # which the command turns into a message and exit code 1
        log("export", "--out", "log.jsonl")
    assert (tmp_path / "log.jsonl").read_text() == "mine"


def test_the_rows_of_an_older_version_are_chained_by_the_migration(database_url):
    up, down = (files("store") / "migrations" / "20261201000040_audit_chain.sql").read_text().split("-- migrate:down")
    record(as_role(database_url, Role.API), *(change(n) for n in range(5)))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(down)
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        connection.execute("DELETE FROM audit_log WHERE id = 3")  # ids of an older version have gaps
        connection.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")
        connection.execute(
            "INSERT INTO audit_log (at, actor, action, subject, subject_id, before, after) "
            "VALUES (now(), 'cli', 'import', 'registry', '', '{}', '{}')"
        )
        connection.execute(up)
    record(database_url, change(9))
    with connect(database_url, application_name="test") as connection:
        rows = list(read_chain(connection))
        assert [row.id for row in rows] == [1, 2, 4, 5, 6, 7]
        assert check_chain(rows).broken is None
        assert read_head(connection).id == 7
