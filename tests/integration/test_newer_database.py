"""A database that a newer Anju has migrated is refused by every command, in words, and is not touched."""

import pytest

from app.failures import explain
from cli import anju, invoke
from running import SECRET_KEY, query
from store.admin.migrate import migrate
from store.database import Database, DatabaseUnavailableError, NewerDatabaseError, connect

FUTURE = "20991231000001"
WORDS = f"migrated by a newer Anju (its migration {FUTURE} is unknown here"
SHORT = [
    ["migrate"], ["verify", "yangguang"], ["rejections"], ["rules", "shadow"], ["witness", "list", "yangguang"],
    ["replacement", "list", "c/water_meter/d"], ["withdraw", "device", "c", "d", "--reason", "错登"],
    ["secrets", "rotate", "c/water_meter/d"], ["notify", "retry"],
]  # fmt: skip
PARTS = [["ingest"], ["api"], ["worker"]]


@pytest.fixture
def newer_database(database_url):
    query(database_url, "INSERT INTO schema_migrations (version) VALUES (%s) RETURNING version", FUTURE)
    return database_url


@pytest.fixture
def settings(newer_database):
    return {
        "ANJU_DATABASE_URL": newer_database,
        "ANJU_MQTT_URL": "mqtt://ingest:secret@127.0.0.1:1",
        "ANJU_API_KEY": "a key of sixteen characters",
        "ANJU_SECRET_KEY": SECRET_KEY,
        "ANJU_HTTP_PORT": "0",
    }


@pytest.mark.parametrize("command", SHORT, ids=" ".join)
def test_a_command_refuses_it_in_words(settings, tmp_path, command):
    with pytest.raises(NewerDatabaseError) as refused:
        invoke(*command, cwd=tmp_path, **settings)
    message, code = explain(refused.value)
    assert (WORDS in message, code) == (True, 1)


@pytest.mark.parametrize("command", PARTS, ids=" ".join)
def test_a_part_ends_and_says_why(settings, tmp_path, command):
    done = anju(*command, cwd=tmp_path, **settings)
    assert done.returncode == 1
    assert WORDS in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_it(settings, tmp_path):
    done = invoke("doctor", "--json", cwd=tmp_path, **settings)
    assert done.returncode == 1
    assert WORDS in done.stdout


def test_a_pool_that_was_open_before_the_upgrade_gives_out_no_new_connection(database_url):
    database = Database(database_url, application_name="test", max_size=1)
    with database.connection() as connection:
        connection.execute("SELECT 1")
    query(database_url, "INSERT INTO schema_migrations (version) VALUES (%s) RETURNING version", FUTURE)
    query(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'test'",
    )
    with pytest.raises(DatabaseUnavailableError, match="newer Anju"), database.connection():
        pytest.fail("a connection to a newer database was given out")
    database.close()


def test_a_database_without_any_table_and_one_of_this_version_are_accepted(empty_database_url):
    connect(empty_database_url, application_name="test").close()
    migrate(empty_database_url)
    connect(empty_database_url, application_name="test").close()
