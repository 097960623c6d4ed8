"""No secret of `anju up` stands where more people look than may use it: logs, output, process list, help texts."""

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import typer
from pydantic import SecretStr

from app.cli import app
from app.settings import Settings
from cli import PARTS, invoke
from ingest.broker_check import probe_broker
from ingest.broker_client import BrokerUnavailableError
from leaks import command_lines, leaks, secrets_of
from patience import eventually, patient

GUESSED = "a-guess-of-somebody-who-tries-0123456789"


def options(command, *path):
    """Yield every option and argument of every command, with the words of the command."""
    for child, below in getattr(command, "commands", {}).items():
        yield from options(below, *path, child)
    yield from ((path, parameter) for parameter in command.params)


def test_the_secrets_of_an_installation_are_found_by_the_test(house):
    secrets = secrets_of(house)
    assert house.secrets <= set(secrets.values())
    expected = {
        "ANJU_API_KEY",
        "ANJU_SECRET_KEY",
        "ANJU_DATABASE_URL",
        "ANJU_MQTT_URL",
        "ANJU_READ_MQTT_URL",
        "ANJU_DOOR_URL",
        "ANJU_DOOR_SEED",
    }
    assert expected | {"postgres/password", "broker/store.key"} <= secrets.keys()
    assert all(len(secret) >= 16 for secret in secrets.values())
    running = {house.pid(part) for part in (*PARTS, "door")}
    assert running <= command_lines(house).keys()


def test_no_secret_is_in_a_log_in_the_output_or_in_a_command_line(house):
    (house.folder / "communities.csv").write_text("community,name,banner,street\nsecrets,阳光小区,东胜区,公园街道\n")
    (house.folder / "devices.csv").write_text("community,device,kind\nsecrets,w1,water_meter\n")
    done = house.anju(
        "import", "--communities", "communities.csv", "--devices", "devices.csv", "--secrets-out", "given.csv"
    )
    assert done.returncode == 0, done.stderr
    given = (house.folder / "given.csv").read_text().split()[-1].split(",")[-1]
    rotated = house.anju("secrets", "rotate", "secrets/water_meter/w1").stdout.split()[-1]
    _, at, place = house.settings["ANJU_MQTT_URL"].partition("@")
    tried = {
        "secrets/water_meter/w1": [given, rotated, GUESSED],
        "secrets/water_meter/w9": [rotated],
        "ingest": [GUESSED],
    }
    tried |= {"door": [GUESSED]}
    for name, secrets in tried.items():
        for secret in secrets:
            with pytest.raises(BrokerUnavailableError):
                probe_broker(f"mqtts://{quote(name, safe='')}:{secret}{at}{place}")
    for key in (house.key, GUESSED):
        for url in (f"{house.url}/api/v1/alerts?key={key}&api_key={key}", f"{house.url}/api/v1/{key}"):
            httpx.get(url, headers={"Authorization": f"Basic {key}", "Cookie": f"key={key}"}, timeout=patient(20))
    eventually(lambda: "secrets/water_meter/w1" in (house.data_dir / "log" / "door.log").read_text())
    assert leaks(house, given, rotated, GUESSED) == []


def test_no_option_takes_a_secret_but_from_a_file():
    words = ("secret", "password", "token", "key", "seed", "credential")
    found = {
        (" ".join(path), parameter.name): parameter.type_descriptor.annotation
        for path, parameter in options(typer.main.get_command(app))
        if any(word in parameter.name.lower() for word in words)
    }
    assert found.pop(("simulate", "seed")) is int  # that of random numbers
    assert set(found.values()) == {Path}, "a secret in a command line is in the process list and in the history"


def test_no_help_shows_a_secret_of_the_environment(tmp_path):
    given = {f"ANJU_{name.upper()}": GUESSED for name, field in Settings.model_fields.items() if is_secret(field)}
    given |= {name: f"mqtt://ingest:{GUESSED}@127.0.0.1" for name in given if name.endswith("_MQTT_URL")}
    given |= {"ANJU_DATABASE_URL": f"postgresql://anju:{GUESSED}@127.0.0.1/anju"}
    given |= {"ANJU_DOOR_URL": f"nats://door:{GUESSED}@127.0.0.1"}
    assert len(given) > 5
    for path in {path for path, _ in options(typer.main.get_command(app)) if path}:
        done = invoke(*path, "--help", cwd=tmp_path, **given)
        assert done.returncode == 0, path
        assert GUESSED not in done.stdout + done.stderr, path


def is_secret(field):
    return field.annotation == SecretStr | None
