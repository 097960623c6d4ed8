"""docker-compose.yml, the images and the secrets agree with the settings and commands of Anju."""

import inspect
import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import yaml

from app.cli import app
from app.settings import Settings, parse_disks
from door.callout import Signer
from grafana.export import COMPOSE_DATASOURCE, PROVISIONING_FOLDER
from local.binaries import is_accepted_nats
from local.brokers.broker import Account, DoorKeys, ingest_account, reader_account
from local.brokers.nats import CONFIGURATION, door_line, mappings, user_line
from local.brokers.tls import HANDSHAKE_S
from notify.routing_file import load_routing
from store.admin.roles import Role

OPTIONAL = {
    "backup_keep", "backup_recipient", "broker_log", "broker_monitoring",
    "disks", "http_hosts", "http_proxies", "metrics_port", "mqtt_ca",
    "notify_file", "partitions", "secret_key_old", "spool_mib", "watchdog",
}  # fmt: skip
ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ANJU = [name for name, service in SERVICES.items() if service["image"].startswith("anju:")]
ONCE = [name for name, service in SERVICES.items() if service["restart"] == "no"]
DOCKERFILES = (ROOT / "Dockerfile", ROOT / "deploy" / "nats" / "Dockerfile")
NATS_CONFIGURATION = (ROOT / "deploy" / "nats" / "nats.conf").read_text(encoding="utf-8")
FIELDS = {f"anju_{name}" for name in Settings.model_fields}
# A tag that names a release: at least two numbers.
PINNED = re.compile(r":v?\d+\.\d+[\w.-]*$")

every_service = pytest.mark.parametrize("name", SERVICES)
every_anju_service = pytest.mark.parametrize("name", ANJU)


def secrets(name: str) -> dict[str, str]:
    """Return each secret of a service with its path in the container."""
    listed = SERVICES[name].get("secrets", [])
    named = [item if isinstance(item, dict) else {"source": item} for item in listed]
    targets = {item["source"]: item.get("target", item["source"]) for item in named}
    return {source: target if "/" in target else f"/run/secrets/{target}" for source, target in targets.items()}


def settings_given(name: str) -> set[str]:
    """Return the settings that a service gets as secret files, in lower case and without their prefix."""
    files = {target.removeprefix("/run/secrets/") for target in secrets(name).values()}
    return {file.removeprefix("anju_") for file in files if file.startswith("anju_")}


def run_command(name: str) -> Any:
    """Return the function behind the `anju` command of a service."""
    group = typer.main.get_command(app)
    for word in SERVICES[name]["command"]:
        if not hasattr(group, "commands"):
            break
        assert word in group.commands, f"{name} runs `anju {word}`, which does not exist"
        group = group.commands[word]
    return inspect.unwrap(group.callback)


@pytest.fixture(scope="module")
def secret_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of secrets from deploy/make-secrets.sh."""
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    subprocess.run(["/bin/sh", str(ROOT / "deploy" / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


def content(secret_folder: Path, name: str) -> str:
    return (secret_folder / name).read_text(encoding="utf-8").strip()


def test_an_installation_has_every_part() -> None:
    assert set(SERVICES) == {
        "database", "broker", "roles", "migrate", "operator", "dashboards", "door", "ingest", "api", "worker", "backup",
        "prometheus", "grafana",
    }  # fmt: skip


@every_service
def test_every_given_setting_is_known_to_anju(name: str) -> None:
    given = {key.lower() for key in SERVICES[name].get("environment", {}) if key.startswith("ANJU_")}
    given |= {f"anju_{setting}" for setting in settings_given(name)}
    assert given <= FIELDS


def test_the_settings_of_the_image_are_known_to_anju() -> None:
    text = DOCKERFILES[0].read_text(encoding="utf-8")
    names = set(re.findall(r"ANJU_[A-Z_]+(?==)", text))
    assert names
    assert {name.lower() for name in names} <= FIELDS


@every_anju_service
def test_every_setting_that_a_command_needs_is_given_to_its_service(name: str) -> None:
    source = inspect.getsource(run_command(name))
    needed = set(re.findall(r'need\("(\w+)"\)', source))
    given = settings_given(name)
    given |= {key.removeprefix("ANJU_").lower() for key in SERVICES[name].get("environment", {})}
    assert needed <= given, f"{name} lacks {needed - given}"
    if name in {"operator", "roles"}:  # a person runs other commands in them too
        return
    unused = {item for item in given if item not in needed and item not in OPTIONAL}
    assert not unused, f"{name} is given {unused} and has no use for it"


def test_no_environment_contains_a_secret_setting() -> None:
    secret = {f"ANJU_{name.upper()}" for name, field in Settings.model_fields.items() if "Secret" in str(field)}
    assert "ANJU_DATABASE_URL" in secret
    for service in SERVICES.values():
        environment = service.get("environment", {})
        assert not secret & set(environment)
        assert not [key for key in environment if key.endswith("PASSWORD")]


@every_service
def test_every_image_is_pinned(name: str) -> None:
    assert PINNED.search(SERVICES[name]["image"]), SERVICES[name]["image"]


def test_our_images_are_based_on_pinned_ones() -> None:
    for file in DOCKERFILES:
        text = file.read_text(encoding="utf-8")
        for name, value in re.findall(r"^ARG (\w+)=(\S+)", text, re.MULTILINE):
            text = text.replace(f"${{{name}}}", value)
        bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
        assert bases
        assert all(PINNED.search(base) for base in bases), bases


def test_the_tags_of_our_images_name_their_contents() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {SERVICES[name]["image"] for name in ANJU} == {f"anju:{version}"}
    (base,) = re.findall(r"^FROM nats:([\d.]+)-alpine", DOCKERFILES[1].read_text(encoding="utf-8"), re.MULTILINE)
    assert SERVICES["broker"]["image"] == f"anju-broker:{base}"


def test_no_image_of_ours_ends_as_root() -> None:
    for file in DOCKERFILES:
        users = re.findall(r"^USER (\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert users, f"{file} never leaves root"
        assert users[-1].split(":")[0] not in {"root", "0"}


@every_service
def test_no_service_runs_as_root_or_may_become_it(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or not str(service["user"]).startswith(("0", "root"))
    assert service.get("user", "built").split(":")[0] not in {"0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True


@every_service
def test_every_service_has_a_memory_limit_and_bounded_logs(name: str) -> None:
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])
    assert set(SERVICES[name]["logging"]["options"]) == {"max-size", "max-file"}


@every_service
def test_permanent_services_restart_and_have_health_checks(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


def test_only_services_that_end_by_themselves_run_once() -> None:
    assert set(ONCE) == {"roles", "migrate", "operator", "dashboards"}
    assert SERVICES["operator"]["profiles"], "the service of an operator starts when it is called"


@every_service
def test_a_service_waits_for_its_dependencies_in_the_right_state(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert wait["condition"] == expected, f"{name} waits for {other}"


def test_no_service_reads_the_tables_before_the_migration() -> None:
    for name in ("door", "ingest", "api", "worker", "operator", "grafana"):
        assert "migrate" in SERVICES[name]["depends_on"]
    assert "roles" in SERVICES["migrate"]["depends_on"]


def test_every_volume_network_and_secret_is_declared_and_used() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if "/" not in mount} == set(COMPOSE["volumes"])
    assert {network for service in SERVICES.values() for network in service.get("networks", [])} == set(
        COMPOSE["networks"]
    )
    assert {secret for name in SERVICES for secret in secrets(name)} == set(COMPOSE["secrets"])
    for mount in mounts:
        assert "/" not in mount or (ROOT / mount).is_dir()


def test_only_encrypted_mqtt_is_open_to_the_world_without_a_setting_of_the_operator() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    example = (ROOT / "deploy" / "compose.env.example").read_text(encoding="utf-8")
    for port in ports:
        variable, default = re.match(r"\$\{(\w+):-(.+?)\}:\d+$", port).groups()
        assert default.startswith("127.0.0.1:") or (variable, default) == ("MQTT_LISTEN", "0.0.0.0:8883")
        assert f"{variable}={default}" in example
        assert not variable.startswith("ANJU_"), "anju refuses unknown keys with its own prefix"


def test_the_database_is_reached_from_inside_only() -> None:
    assert COMPOSE["networks"]["backend"]["internal"] is True
    assert SERVICES["database"]["networks"] == ["backend"]
    assert "ports" not in SERVICES["database"]


def test_each_secret_file_is_made_and_fits_the_others(secret_folder: Path) -> None:
    for name, declared in COMPOSE["secrets"].items():
        assert declared["file"] == f"deploy/secrets/{name}"
        assert bool(content(secret_folder, name)) is (name != "anju_secret_key_old")
    database = urlsplit(content(secret_folder, "anju_database_url"))
    assert (database.hostname, database.port) == ("database", 5432)
    assert database.password == content(secret_folder, "postgres_password")
    for role in Role:
        url = urlsplit(content(secret_folder, f"{role.removeprefix('anju_')}_database_url"))
        assert (url.username, url.hostname, url.port, url.path) == (role, "database", 5432, database.path)
    assert url.password == content(secret_folder, "grafana_database_password")
    environment = SERVICES["database"]["environment"]
    assert (database.username, database.path) == (environment["POSTGRES_USER"], f"/{environment['POSTGRES_DB']}")
    accounts = dict(re.findall(r'^(\w+): "(\w+)"$', content(secret_folder, "nats_accounts"), re.MULTILINE))
    for url, port, account in (("anju_mqtt_url", 8883, "ingest"), ("anju_read_mqtt_url", 8883, "reader"),
        ("anju_door_url", 4222, "door"),
    ):  # fmt: skip
        address = urlsplit(content(secret_folder, url))
        assert (address.hostname, address.port, address.username) == ("broker", port, account)
        assert address.password == accounts[f"{account.upper()}_PASSWORD"]
    publisher = urlsplit(content(secret_folder, "anju_publish_mqtt_url"))
    assert (publisher.hostname, publisher.port, publisher.username) == ("broker", 8883, "publisher")
    assert set(re.findall(r"\$([A-Z_]+)\b", NATS_CONFIGURATION)) - {"MQTT", "SYS"} == set(accounts)


def test_the_settings_accept_the_generated_secrets(secret_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.startswith("ANJU_")]:
        monkeypatch.delenv(key)
    monkeypatch.chdir(secret_folder)
    monkeypatch.setattr("app.settings.SECRETS_DIR", secret_folder)
    settings = Settings.load()
    for name in ("database_url", "mqtt_url", "publish_mqtt_url", "read_mqtt_url", "door_url", "door_seed", "api_key"):
        assert settings.need(name) == content(secret_folder, f"anju_{name}")


def test_secrets_are_long_different_and_closed_to_other_users_of_the_host(secret_folder: Path) -> None:
    texts = " ".join(path.read_text(encoding="utf-8") for path in secret_folder.iterdir())
    secrets = re.findall(r"\b[0-9a-f]{64}\b", texts)
    assert len(set(secrets)) == 16
    assert stat.S_IMODE(secret_folder.stat().st_mode) == 0o700


def test_the_key_of_the_door_is_one_of_nats_and_the_broker_knows_its_public_half(secret_folder: Path) -> None:
    accounts = content(secret_folder, "nats_accounts")
    assert f'DOOR_ISSUER: "{Signer(content(secret_folder, "anju_door_seed")).issuer}"' in accounts


def test_secrets_are_never_overwritten(secret_folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in secret_folder.iterdir()}
    again = subprocess.run(
        ["/bin/sh", str(ROOT / "deploy" / "make-secrets.sh"), str(secret_folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert before == {path.name: path.read_bytes() for path in secret_folder.iterdir()}


def test_a_secret_that_a_newer_version_needs_is_added_and_the_others_stay(secret_folder: Path, tmp_path: Path) -> None:
    older = shutil.copytree(secret_folder, tmp_path / "secrets")
    (older / "anju_read_mqtt_url").unlink()
    command = ["/bin/sh", str(ROOT / "deploy" / "make-secrets.sh"), str(older)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "anju_read_mqtt_url" in done.stdout
    for path in secret_folder.iterdir():
        assert (older / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "account",
    [ingest_account(""), reader_account("")],
    ids=lambda account: account.name,
)
def test_the_accounts_of_the_broker_are_those_of_one_machine_without_docker(account: Account) -> None:
    line = user_line(account).replace('"password": ""', f'"password": ${account.name.upper()}_PASSWORD')
    assert line in NATS_CONFIGURATION


def test_the_account_of_the_door_is_that_of_one_machine_without_docker() -> None:
    line = door_line(DoorKeys("", "", "")).replace('"password": ""', '"password": $DOOR_PASSWORD')
    assert line in NATS_CONFIGURATION
    for text in (NATS_CONFIGURATION, CONFIGURATION):
        assert re.search(r"auth_callout \{+ issuer: \S+, account: SYS, auth_users: ", text)
        assert "system_account: SYS" in text
    assert 'auth_users: ["door", "ingest"]' in NATS_CONFIGURATION  # the door decides about all others


def test_the_offered_mapping_to_partitions_is_that_of_one_machine_without_docker() -> None:
    assert f"# mappings {{ {mappings(4)} }}" in NATS_CONFIGURATION.splitlines()


def test_the_limits_of_the_broker_are_those_of_one_machine_without_docker() -> None:
    texts = NATS_CONFIGURATION.replace(f"timeout: {HANDSHAKE_S} }}", "}"), CONFIGURATION
    for limit in ("ack_wait", "max_ack_pending", "max_pending", "write_deadline", "timeout"):
        values = [re.findall(rf'\b{limit}: "?(\w+)', text) for text in texts]
        assert len(values[0]) == 1
        assert values[0] == values[1]


def test_the_broker_has_a_version_that_loses_no_acknowledged_message() -> None:
    base = re.search(r"^FROM nats:(\d+)\.(\d+)\.(\d+)", DOCKERFILES[1].read_text(encoding="utf-8"), re.MULTILINE)
    assert base
    assert is_accepted_nats((int(base[1]), int(base[2]), int(base[3])))


def test_grafana_finds_the_files_of_the_export() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    exported = SERVICES["dashboards"]["command"][-1]
    assert mounts["provisioning"] == PROVISIONING_FOLDER
    assert SERVICES["dashboards"]["volumes"] == [f"provisioning:{exported}"]
    reference = re.fullmatch(r"\$__file\{(.+)\}", COMPOSE_DATASOURCE.password)
    assert reference
    assert reference[1] in secrets("grafana").values()
    assert COMPOSE_DATASOURCE.host in SERVICES
    assert COMPOSE_DATASOURCE.database == SERVICES["database"]["environment"]["POSTGRES_DB"]
    assert COMPOSE_DATASOURCE.user == Role.GRAFANA


def test_the_image_is_made_of_every_package_and_of_nothing_secret() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert taken == packages | {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"}


def test_the_image_installs_by_hash() -> None:
    installs = re.findall(r"^RUN .*uv pip install (.+)$", DOCKERFILES[0].read_text(encoding="utf-8"), re.MULTILINE)
    assert any("--require-hashes" in line and "requirements.lock" in line for line in installs)
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_contacts_are_in_a_folder_where_an_edit_is_seen(secret_folder: Path) -> None:
    (mount,) = [mount.split(":") for mount in SERVICES["worker"]["volumes"] if mount.startswith("./deploy/notify")]
    file = Path(SERVICES["worker"]["environment"]["ANJU_NOTIFY_FILE"])
    assert mount[1:] == [str(file.parent), "ro"]
    made = secret_folder.parent / Path(mount[0]).relative_to("deploy") / file.name
    assert stat.S_IMODE(made.stat().st_mode) == 0o644  # for the user of the container
    assert stat.S_IMODE(made.parents[1].stat().st_mode) == 0o700
    load_routing(made)


def test_the_backups_go_into_a_volume_of_their_own() -> None:
    command = SERVICES["backup"]["command"]
    assert SERVICES["backup"]["volumes"] == [f"backups:{command[1]}"]
    assert f"-m 0700 {command[1]}" in DOCKERFILES[0].read_text(encoding="utf-8")
    (major,) = re.findall(r"-pg(\d+)$", SERVICES["database"]["image"])
    assert f"postgresql-client-{major}" in DOCKERFILES[0].read_text(encoding="utf-8")


def test_the_watched_disks_are_those_of_the_servers() -> None:
    disks = parse_disks(SERVICES["worker"]["environment"]["ANJU_DISKS"])
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["worker"]["volumes"])
    assert {name: mounts[name] for name in disks} == {name: str(folder) for name, folder in disks.items()}
    assert all(SERVICES[name]["volumes"][0].startswith(f"{name}:") for name in disks)
