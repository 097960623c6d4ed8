"""Settings: from the environment, from `.env`, or from secret files, every key with the prefix `ANJU_`."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from app.environment import DOTENV, PREFIX, RUNNING, SECRETS_DIR, is_setting
from devices.broker_url import NATS, BrokerUrl
from devices.catalogue import KIND_BY_NAME, KINDS
from local.errors import LocalError
from local.secret import read_secret, refuse_foreign

PERSONAL_EVENTS_DAYS = 180
"""The days for which events with plates or door users are kept, unless a setting gives others."""

# Stricter than the driver: its own error message would quote the password.
_DATABASE_URL = re.compile(r"postgres(ql)?://([^%]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_FILE = "_FILE"
"""End of the name of a setting that names a file with the secret instead of holding it."""


class SettingsError(Exception):
    """A setting is unknown, missing or wrong; the message names it and the remedy, and quotes no value."""


class Settings(BaseSettings):
    """Settings of a running Anju. URLs and keys are secret: they print as stars."""

    # Other keys in `.env` belong to other programs; `_read` refuses unknown keys with the prefix.
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(None, description="postgresql://user:secret@host:port/database")
    mqtt_url: SecretStr | None = Field(None, description="mqtt:// or mqtts://, the account that ingest reads with")
    publish_mqtt_url: SecretStr | None = Field(
        None, description="an account that may publish for every simulated device: simulators and replay only"
    )
    read_mqtt_url: SecretStr | None = Field(
        None, description="an account that may read along, without personal kinds: the door admits it"
    )
    door_url: SecretStr | None = Field(
        None, description="nats://door:secret@host:port, where the broker asks `anju door` about logins"
    )
    door_seed: SecretStr | None = Field(None, description="the key that signs the answers of `anju door`: SA...")
    door_http_port: int = Field(
        0, ge=0, le=65535, description="the port where the door answers other brokers over HTTP; 0 turns it off"
    )
    http_host: str = Field("127.0.0.1", description="the address the API listens on")
    http_port: int = Field(8000, ge=0, le=65535, description="the port the API listens on; 0 takes a free one")
    http_hosts: str | None = Field(
        None, description="public names of the API, with commas between; *.example.com for all below, * for any"
    )
    http_proxies: str | None = Field(
        None, description="addresses or networks of reverse proxies whose X-Forwarded-For is believed, commas between"
    )
    http_rate: int = Field(
        100, ge=1, le=100_000, description="how many requests a second a key may send from one address"
    )
    http_connections: int = Field(512, ge=8, le=65_536, description="how many connections the API holds")
    http_streams: int = Field(128, ge=1, le=65_536, description="how many alert streams the API serves at once")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="the port of the metrics of ingest or of the door; 0 turns them off"
    )
    mqtt_tls: Literal["on", "off", "mutual"] = Field(
        "on",
        description="whether the broker of `anju up` encrypts MQTT for the network; mutual also asks each client for a "
        "certificate, and off is plain MQTT for this machine",
    )
    mqtt_names: str | None = Field(
        None,
        description="more host names and addresses, with commas between, under which devices reach the broker of "
        "`anju up`",
    )
    mqtt_certificate_file: Path | None = Field(
        None, description="a certificate with its chain, of your own, for the broker of `anju up`"
    )
    mqtt_key_file: Path | None = Field(None, description="the key of ANJU_MQTT_CERTIFICATE_FILE")
    partitions: int = Field(
        1, ge=1, le=1024, description="how many partitions the communities are divided into, as the broker maps them"
    )
    broker_log: str | None = Field(
        None, description="log files of NATS Server, with commas between; `anju doctor` looks there for refusals"
    )
    spool_mib: int = Field(
        4096,
        ge=8,
        description="how many MiB may wait of what is above the share of its device",
    )
    api_key: SecretStr | None = Field(None, min_length=16, description="a first admin key for the API")
    secret_key: SecretStr | None = Field(
        None, min_length=16, description="keys the hash of plates and door users, and encrypts what waits in the spool"
    )
    secret_key_old: SecretStr | None = Field(
        None,
        description="the secret keys before ANJU_SECRET_KEY, newest first, with commas between: "
        "what was hashed or encrypted under them is still found and read",
    )
    demo_password: SecretStr | None = Field(
        None, description="the password of the demo accounts, which the login page then shows; `anju up --demo` sets it"
    )
    rules_dir: Path | None = Field(None, description="a folder of rule files instead of the ones that come with Anju")
    notify_file: Path | None = Field(None, description="the file with the contacts and routes of notices")
    retention_days: int | None = Field(
        None, ge=30, description="drop raw telemetry and events after so many days; unset keeps everything"
    )
    backup_dir: Path | None = Field(
        None, description="the folder of the backups; with it `anju up` makes one every night"
    )
    backup_recipient: str | None = Field(
        None, description="public keys of age, with commas between, that open the backups instead of ANJU_SECRET_KEY"
    )
    backup_keep: int = Field(14, ge=1, description="how many backups stay in the folder")
    event_retention_days: str | None = Field(
        None,
        description="drop the events of a kind after so many days, such as access_control=90,vehicle_gate=30; "
        f"kinds with plates or door users not named there: {PERSONAL_EVENTS_DAYS}",
    )
    broker_monitoring: str | None = Field(
        None,
        description="monitoring of NATS Server, http://host:port with commas between, for the worker's metrics",
    )
    disks: str | None = Field(
        None,
        description="folders of the servers as name=folder, with commas between, whose free space is watched",
    )
    watchdog: bool = Field(
        default=False, description="let the worker break a rule every minute with a device of its own, and watch"
    )
    grafana_url: str | None = Field(None, description="where `anju grafana apply` finds Grafana")
    grafana_token: SecretStr | None = Field(None, description="a Grafana service account token")

    @field_validator("*", mode="before")
    @classmethod
    def _without_newline(cls, value: object) -> object:
        """Drop white space around a text: a key written with an editor or `echo` ends in a newline."""
        return value.strip() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not _DATABASE_URL.fullmatch(url.get_secret_value()):
            raise ValueError("must be postgresql://user:secret@host:port/database, with % written as %25")
        if url and not _has_ports(url.get_secret_value()):
            raise ValueError("must have a port from 1 to 65535")
        return url

    @field_validator("http_proxies")
    @classmethod
    def _are_networks(cls, proxies: str | None) -> str | None:
        for proxy in split_list(proxies or ""):
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError("must be addresses or networks such as 10.0.0.5 or 10.0.0.0/24") from None
        return proxies

    @field_validator("http_streams")
    @classmethod
    def _leave_connections(cls, streams: int, others: ValidationInfo) -> int:
        if streams >= others.data.get("http_connections", streams + 1):
            raise ValueError("must be less than ANJU_HTTP_CONNECTIONS: a stream holds a connection")
        return streams

    @field_validator("broker_monitoring")
    @classmethod
    def _are_http_addresses(cls, text: str | None) -> str | None:
        if text and not all(url.startswith("http://") and _has_ports(url) for url in text.split(",")):
            raise ValueError("must be http://host:port, with commas between the nodes")
        return text

    @field_validator("disks")
    @classmethod
    def _are_disks(cls, text: str | None) -> str | None:
        if text:
            parse_disks(text)
        return text

    @field_validator("mqtt_url", "publish_mqtt_url", "read_mqtt_url")
    @classmethod
    def _is_broker_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url:
            BrokerUrl.parse(url.get_secret_value())
        return url

    @field_validator("door_url")
    @classmethod
    def _is_door_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url:
            BrokerUrl.parse(url.get_secret_value(), NATS)
        return url

    @field_validator("secret_key_old")
    @classmethod
    def _are_secret_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys and any(len(key) < 16 for key in split_list(keys.get_secret_value())):
            raise ValueError("each key must have at least 16 characters, with commas between the keys")
        return keys

    @field_validator("event_retention_days")
    @classmethod
    def _are_days_of_kinds(cls, text: str | None) -> str | None:
        _days_of_kinds(text)
        return text

    @field_validator("mqtt_names")
    @classmethod
    def _are_host_names(cls, text: str | None) -> str | None:
        if strange := [name for name in split_list(text or "") if not _HOST.fullmatch(name)]:
            raise ValueError(f"{', '.join(strange)} is no host name and no address")
        return text

    @property
    def mqtt_host_names(self) -> list[str]:
        """The host names and addresses of `mqtt_names`."""
        return split_list(self.mqtt_names or "")

    @property
    def earlier_secret_keys(self) -> tuple[bytes, ...]:
        """The secret keys before the one in force, newest first."""
        return tuple(key.encode() for key in split_list(self.need("secret_key_old") if self.secret_key_old else ""))

    @property
    def event_retention(self) -> dict[str, timedelta]:
        """The time for which events are kept, by kind; kinds without one keep theirs as long as other raw data."""
        default = {kind.name: PERSONAL_EVENTS_DAYS for kind in KINDS if kind.personal}
        days_by_kind = default | _days_of_kinds(self.event_retention_days)
        return {kind: timedelta(days=days) for kind, days in days_by_kind.items()}

    @classmethod
    def load(cls) -> Self:
        """Return the settings in force; without any, the settings of the `anju up` of this folder.

        Raises:
            SettingsError: an unknown `ANJU_` key, or a value that can't be used.
        """
        return cls._read(RUNNING if RUNNING.exists() and not cls._keys(DOTENV) else DOTENV)

    @classmethod
    def given(cls) -> Self:
        """Return the settings of the environment and of `.env`, without those of a running `anju up`.

        Raises:
            SettingsError: an unknown `ANJU_` key, or a value that can't be used.
        """
        return cls._read(DOTENV)

    @classmethod
    def _read(cls, file: Path) -> Self:
        known = {f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        in_files = {f"{PREFIX}{name.upper()}{_FILE}": name for name in cls._secret_names()}
        try:
            if file.exists():
                refuse_foreign(file, file.stat())
            given = cls._given(file)
            if unknown := sorted(given.keys() - known - in_files.keys()):
                raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
            secrets: dict[str, Any] = {name: _read_file(key, given) for key, name in in_files.items() if given.get(key)}
            return cls(_env_file=file, _secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None, **secrets)
        except LocalError as error:
            raise SettingsError(str(error)) from None
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None

    @classmethod
    def _keys(cls, file: Path) -> set[str]:
        """Return the keys of Anju in the environment and in the file, if it exists."""
        return set(cls._given(file))

    @classmethod
    def _given(cls, file: Path) -> dict[str, str | None]:
        """Return what the environment and the file, if it exists, say by the keys of Anju."""
        in_file = {key.upper(): text for key, text in DotEnvSettingsSource(cls, env_file=file).env_vars.items()}
        return {key: text for key, text in {**in_file, **os.environ}.items() if is_setting(key)}

    @classmethod
    def _secret_names(cls) -> list[str]:
        return [name for name, field in cls.model_fields.items() if field.annotation == SecretStr | None]

    def need(self, name: str) -> str:
        """Return the text of a required setting.

        Raises:
            SettingsError: it is not set.
        """
        value = getattr(self, name)
        if value is None:
            raise SettingsError(
                f"{PREFIX}{name.upper()} is not set: {type(self).model_fields[name].description}. "
                "`anju up` writes all of them to <data-dir>/anju.env"
            )
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def parse_disks(text: str) -> dict[str, Path]:
    """Parse `name=folder,name=folder`.

    Raises:
        ValueError: a part is no pair, or a name is given twice.
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    disks = {name.strip(): Path(folder.strip()) for name, _, folder in pairs if name.strip() and folder.strip()}
    if len(disks) != len(pairs):
        raise ValueError("must be name=folder,name=folder, such as database=/var/lib/postgresql")
    return disks


def _read_file(key: str, given: Mapping[str, str | None]) -> str:
    """Return the secret in the file that a setting such as `ANJU_API_KEY_FILE` names.

    Raises:
        SettingsError: the secret itself is set as well, or the file can't be read.
        LocalError: the file is open to other users.
    """
    if given.get(other := key.removesuffix(_FILE)):
        raise SettingsError(f"{other} and {key} are both set: remove one of them")
    path = Path(given[key] or "")
    try:
        # A container's secrets are readable by all of its few users.
        return path.read_text("utf-8").strip() if path.is_relative_to(SECRETS_DIR) else read_secret(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{key}: {path} can't be read: {getattr(error, 'strerror', 'it is no text')}") from None


def _has_ports(url: str) -> bool:
    """Return whether every port of a database URL, which may name several hosts, can be one."""
    nodes = urlsplit(url).netloc.rpartition("@")[2].split(",")
    ports = [port for node in nodes if (port := node.rpartition("]")[2].partition(":")[2])]
    return all(port.isascii() and port.isdigit() and 0 < int(port) <= 65535 for port in ports)


def split_list(text: str) -> list[str]:
    """Return the parts of a setting with commas or line breaks between them."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def _days_of_kinds(text: str | None) -> dict[str, int]:
    """Return the days by kind of a text such as `access_control=90,vehicle_gate=30`.

    Raises:
        ValueError: a part is none, or names no kind.
    """
    parts = [re.fullmatch(r"(\w+)\s*=\s*([1-9][0-9]{0,4})", part) for part in split_list(text or "")]
    if any(part is None or part[1] not in KIND_BY_NAME for part in parts):
        raise ValueError(f"must be kind=days with commas between, days from 1; kinds: {', '.join(KIND_BY_NAME)}")
    return {part[1]: int(part[2]) for part in parts if part}


def _explain(error: ValidationError) -> str:
    """Return one line for each problem, without the value: it may be a secret."""
    return "; ".join(
        f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    )
