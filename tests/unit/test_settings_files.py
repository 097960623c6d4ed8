"""Settings out of files: secrets by name of their file, final newlines, foreign files, and ports out of range."""

import os

import pytest

from app.settings import Settings, SettingsError
from local.users import write_private

KEY = "a key of sixteen characters"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("ANJU_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["API_KEY", "SECRET_KEY"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_a_key_may_end_in_a_newline_wherever_it_stands(folder, monkeypatch, name, end):
    monkeypatch.setenv(f"ANJU_{name}", KEY + end)
    assert Settings.load().need(name.lower()) == KEY
    monkeypatch.delenv(f"ANJU_{name}")
    write_private(folder / "key", KEY + end)
    monkeypatch.setenv(f"ANJU_{name}_FILE", "key")
    assert Settings.load().need(name.lower()) == KEY


def test_the_file_of_settings_may_name_the_file_of_a_secret(folder):
    write_private(folder / "key", KEY)
    (folder / ".env").write_text("ANJU_API_KEY_FILE=key\n")
    assert Settings.load().need("api_key") == KEY


def test_a_url_may_come_from_a_file_and_is_checked_like_any(folder, monkeypatch):
    write_private(folder / "url", "postgresql://anju:secret@db/anju\n")
    monkeypatch.setenv("ANJU_DATABASE_URL_FILE", "url")
    assert Settings.load().need("database_url") == "postgresql://anju:secret@db/anju"
    write_private(folder / "url", "mysql://anju:secret@db/anju\n")
    refused(r"ANJU_DATABASE_URL: must be postgresql://")


def test_a_key_of_white_space_is_too_short(monkeypatch):
    monkeypatch.setenv("ANJU_API_KEY", " " * 20)
    refused("ANJU_API_KEY: ")


def test_a_secret_and_its_file_at_once_are_refused(monkeypatch):
    monkeypatch.setenv("ANJU_API_KEY", KEY)
    monkeypatch.setenv("ANJU_API_KEY_FILE", "key")
    refused("ANJU_API_KEY and ANJU_API_KEY_FILE are both set")


def test_only_secrets_may_come_from_a_file(monkeypatch):
    monkeypatch.setenv("ANJU_HTTP_PORT_FILE", "port")
    refused("unknown setting ANJU_HTTP_PORT_FILE")


def test_a_missing_file_of_a_secret_is_named(monkeypatch):
    monkeypatch.setenv("ANJU_API_KEY_FILE", "no-such-file")
    refused("ANJU_API_KEY_FILE: no-such-file can't be read: No such file or directory")


def test_a_file_of_a_secret_that_is_open_to_all_is_refused(folder, monkeypatch):
    write_private(folder / "key", KEY)
    (folder / "key").chmod(0o644)
    monkeypatch.setenv("ANJU_API_KEY_FILE", "key")
    assert KEY not in refused(r"other users can read or change it \(mode 644\)")


def test_the_secrets_of_a_container_may_be_readable_by_all(folder, monkeypatch):
    (folder / "key").write_text(f"{KEY}\n")
    monkeypatch.setattr("app.settings.SECRETS_DIR", folder)
    monkeypatch.setenv("ANJU_API_KEY_FILE", str(folder / "key"))
    assert Settings.load().need("api_key") == KEY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", [".env", ".anju/anju.env"])
def test_settings_that_another_user_wrote_are_refused(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("ANJU_DATABASE_URL=postgresql://anju:secret@elsewhere/anju\n")
    os.chown(folder / name, 12345, 12345)
    refused(rf"{name} belongs to another user \(uid 12345\)")


@pytest.mark.parametrize("name", ["ANJU_HTTP_PORT", "ANJU_METRICS_PORT"])
@pytest.mark.parametrize("port", ["-1", "65536", "1e9", "http"])
def test_a_port_of_anju_out_of_range_is_refused(monkeypatch, name, port):
    monkeypatch.setenv(name, port)
    refused(name)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "99999999999", "http", "５"])
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("ANJU_DATABASE_URL", "postgresql://anju:secret@db:{}/anju"),
        ("ANJU_DATABASE_URL", "postgresql://anju:secret@db:5432,other:{}/anju"),
        ("ANJU_MQTT_URL", "mqtt://ingest:secret@broker:{}"),
        ("ANJU_PUBLISH_MQTT_URL", "mqtts://publisher:secret@one:1883,two:{}"),
    ],
)
def test_a_port_of_a_server_out_of_range_is_refused(monkeypatch, name, url, port):
    monkeypatch.setenv(name, url.format(port))
    assert "secret" not in refused(rf"{name}: .*port.* from 1 to 65535")


@pytest.mark.parametrize("text", ["broker:8222", "https://broker:8222", "http://broker:0", "http://one:8222,two:8222"])
def test_the_monitoring_of_the_broker_is_http_with_a_port(monkeypatch, text):
    monkeypatch.setenv("ANJU_BROKER_MONITORING", text)
    refused("ANJU_BROKER_MONITORING: must be http://host:port, with commas between the nodes")


@pytest.mark.parametrize("address", ["db", "db:5432", "[::1]", "[::1]:5432", "one:1,two:65535"])
def test_addresses_with_and_without_a_port_are_accepted(monkeypatch, address):
    monkeypatch.setenv("ANJU_DATABASE_URL", f"postgresql://anju:secret@{address}/anju")
    assert address in Settings.load().need("database_url")


def refused(words: str) -> str:
    with pytest.raises(SettingsError, match=words) as error:
        Settings.load()
    return str(error.value)
