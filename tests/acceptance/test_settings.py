"""A mistake in the settings ends every command at once, with its name and without a secret."""

import socket

import pytest

from cli import anju

SECRET = "hunter2-hunter2"
DATABASE_URL = f"postgresql://anju:{SECRET}@127.0.0.1:1/anju"
MISTAKES = {
    "unknown": ({"ANJU_DATBASE_URL": DATABASE_URL}, "unknown setting ANJU_DATBASE_URL; known are ANJU_API_KEY,"),
    "missing": ({}, "ANJU_DATABASE_URL is not set"),
    "too short": ({"ANJU_API_KEY": SECRET}, "ANJU_API_KEY: "),
    "not a number": ({"ANJU_HTTP_PORT": SECRET}, "ANJU_HTTP_PORT: "),
    "another database": ({"ANJU_DATABASE_URL": f"mysql://anju:{SECRET}@db/anju"}, "must be postgresql://"),
    "percent sign": ({"ANJU_DATABASE_URL": f"postgresql://anju:100%{SECRET}@db/anju"}, "% written as %25"),
    "a short old key": (
        {"ANJU_SECRET_KEY_OLD": f"{SECRET}{SECRET},{SECRET}"},
        "ANJU_SECRET_KEY_OLD: each key must have",
    ),
    "days of no kind": ({"ANJU_EVENT_RETENTION_DAYS": "doors=30"}, "ANJU_EVENT_RETENTION_DAYS: must be kind=days"),
    "no days": ({"ANJU_EVENT_RETENTION_DAYS": "access_control=0"}, "ANJU_EVENT_RETENTION_DAYS: must be kind=days"),
    "another broker": ({"ANJU_MQTT_URL": f"http://ingest:{SECRET}@broker"}, "must begin with mqtt:// or mqtts://"),
    "broker without account": ({"ANJU_PUBLISH_MQTT_URL": f"mqtt://{SECRET}:1883"}, "mqtt://user:secret@host:port"),
}


@pytest.mark.parametrize(("settings", "explanation"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_settings_is_named_without_its_value(settings, explanation, tmp_path):
    done = anju("verify", "yangguang", cwd=tmp_path, **settings)
    assert done.returncode == 2
    assert explanation in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["up", "api", "ingest"])
def test_no_part_starts_with_a_setting_that_is_unknown(command, tmp_path):
    done = anju(command, cwd=tmp_path, ANJU_DATBASE_URL=DATABASE_URL)
    assert done.returncode == 2
    assert done.stderr.startswith("unknown setting ANJU_DATBASE_URL;")
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_the_file_is_found_as_well(tmp_path):
    (tmp_path / ".env").write_text(f"ANJU_DATBASE_URL={DATABASE_URL}\n")
    done = anju("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("unknown setting ANJU_DATBASE_URL;")
    assert SECRET not in done.stderr


def test_the_file_may_hold_settings_of_other_programs(tmp_path):
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD={SECRET}\nANJU_DATABASE_URL={DATABASE_URL}\n")
    done = anju("verify", "yangguang", cwd=tmp_path)
    assert done.returncode == 4
    assert done.stderr.startswith("the database is not available")


def test_the_environment_goes_before_the_file(tmp_path):
    (tmp_path / ".env").write_text("ANJU_DATABASE_URL=postgresql://anju@127.0.0.1:1/anju\n")
    done = anju("verify", "yangguang", cwd=tmp_path, ANJU_DATABASE_URL="postgresql://anju@127.0.0.1:2/anju")
    assert "port 2 failed" in done.stderr


@pytest.mark.parametrize("command", [("verify", "yangguang"), ("import", "--devices", "devices.csv")])
def test_a_database_that_is_away_is_said_in_one_line_without_its_password(command, tmp_path):
    done = anju(*command, cwd=tmp_path, ANJU_DATABASE_URL=DATABASE_URL)
    assert done.returncode == 4
    assert "the database is not available" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stderr


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_and_not_another_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = anju("up", "--data-dir", "house", cwd=tmp_path, ANJU_HTTP_PORT=str(port))
    assert done.returncode == 2
    assert f"ANJU_HTTP_PORT={port} is in use" in done.stderr


def test_migrating_a_database_that_is_away_is_no_failed_migration(tmp_path):
    url = "postgresql://anju:secret@127.0.0.1:9/anju"
    done = anju("migrate", cwd=tmp_path, ANJU_DATABASE_URL=url)
    assert done.returncode == 4
    assert "not available" in done.stderr
    assert "secret" not in done.stderr
