"""Each part of `anju up` gets its own secrets and no others."""

from pathlib import Path

import pytest

from app import parts
from app.parts import always_ready, anju_part

SECRETS = {
    "ANJU_DOOR_URL": "door", "ANJU_DOOR_SEED": "seed", "ANJU_PUBLISH_MQTT_URL": "mqtt://s:p@127.0.0.1:1",
    "ANJU_READ_MQTT_URL": "mqtt://r:p@127.0.0.1:1", "ANJU_MQTT_URL": "mqtt://i:p@127.0.0.1:1",
    "ANJU_SECRET_KEY": "secret", "ANJU_SECRET_KEY_OLD": "old", "ANJU_API_KEY": "key",
}  # fmt: skip
SETTINGS = {**SECRETS, "ANJU_DATABASE_URL": "postgresql://one@127.0.0.1/anju", "ANJU_DISKS": "database=/"}


def part(name, monkeypatch):
    monkeypatch.setattr(parts, "part_user", lambda _name, _settings: None)  # as an unprivileged user
    monkeypatch.setenv("ANJU_API_KEY", "of the shell")
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    return anju_part(name, (name, "--port", "1"), SETTINGS, always_ready)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("door", {"ANJU_DOOR_URL", "ANJU_DOOR_SEED", "ANJU_PUBLISH_MQTT_URL", "ANJU_READ_MQTT_URL"}),
        ("ingest", {"ANJU_MQTT_URL", "ANJU_SECRET_KEY", "ANJU_SECRET_KEY_OLD"}),
        ("api", {"ANJU_API_KEY", "ANJU_SECRET_KEY", "ANJU_SECRET_KEY_OLD"}),
        ("worker", {"ANJU_PUBLISH_MQTT_URL"}),
        ("simulators", {"ANJU_PUBLISH_MQTT_URL", "ANJU_SECRET_KEY"}),
        ("backup", {"ANJU_SECRET_KEY"}),
    ],
)
def test_a_part_gets_its_own_secrets_and_what_is_none(monkeypatch, name, own):
    environment = part(name, monkeypatch).env
    assert {key for key in environment if key in SECRETS} == own
    assert all(environment[key] == SETTINGS[key] for key in {*own, "ANJU_DATABASE_URL", "ANJU_DISKS"})
    assert environment["LANG"] == "zh_CN.UTF-8"


def test_a_setting_of_the_shell_does_not_reach_a_part(monkeypatch):
    assert "ANJU_API_KEY" not in part("worker", monkeypatch).env


def test_a_part_runs_the_program_of_this_installation(monkeypatch):
    argv = part("worker", monkeypatch).argv
    assert argv[1:] == ("worker", "--port", "1")
    assert Path(argv[0]).name == "anju"
    assert Path(argv[0]).is_absolute()
