"""`anju up`: all of Anju on this machine, in the foreground."""

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from accounts.passwords import initial_password
from app.alert_lines import print_alerts
from app.demo import COMMUNITIES, FAULTS, HISTORY, register_demo
from app.demo_accounts import demo_accounts, keep_demo_accounts
from app.output import say
from app.parts import (
    always_ready,
    anju_part,
    api_ready,
    door_ready,
    ingest_ready,
    parts_as_root,
    worker_ready,
)
from app.progress import Progress as ShownProgress
from app.progress import progress as shown_progress
from app.settings import Settings, SettingsError
from app.signals import stop_on_signals
from local.brokers.tls import BrokerTls
from local.home import Home
from local.interrupts import StartInterruptedError, interrupted_by_signals
from local.ports import is_free
from local.prefix import SERVERS, fetched_megabytes
from local.secret import kept_secret, read_secret
from local.services import BROKERS, BrokerName, prepare_broker, prepare_database
from local.supervisor import Supervisor
from local.users import write_private
from rules.model.duration import in_chinese, parse_duration
from store.admin.migrate import migrate
from store.admin.roles import Role

_READY_S = 120
_BACKUP_AT = "02:30"
Progress = Callable[[str], None]


class _Servers(NamedTuple):
    """The settings of the operator's commands, and the URL of each role; those of a given database are the same."""

    settings: dict[str, str]
    database_urls: Mapping[Role, str]


def up(
    data_dir: Annotated[Path, typer.Option(help="where everything is kept")] = Path(".anju"),
    *,
    demo: Annotated[bool, typer.Option("--demo", help="add two simulated communities and faults")] = False,
    broker: Annotated[BrokerName, typer.Option(help="the private broker to start")] = BrokerName.NATS,
) -> None:
    """Run everything on this machine until Ctrl-C: database, broker, ingest, API and worker.

    Servers that the settings name are used; otherwise private ones are started. When all is ready, one line begins
    with `ready:`, and the settings in force are in DATA_DIR/anju.env. The API key is shown on a terminal only.

    Example: anju up --demo
    """
    given, began = Settings.given(), time.monotonic()

    def progress(text: str) -> None:
        say(f"[{time.monotonic() - began:5.1f} s] {text}")

    if demo and given.mqtt_url:
        given.need("publish_mqtt_url")
    stop = stop_on_signals()
    with suppress(StartInterruptedError), Home(data_dir) as home, Supervisor(home, progress) as supervisor:
        with interrupted_by_signals(stop):
            settings, api_url = _start(given, broker, home, supervisor, progress, demo=demo)
            write_private(data_dir / "anju.env", "".join(f"{key}={value}\n" for key, value in sorted(settings.items())))
            # A log or a journal is read by more people than may use the key.
            key = settings["ANJU_API_KEY"] if sys.stdout.isatty() else "ANJU_API_KEY"
            say(
                f"ready: API {api_url}/api/v1, its documentation {api_url}/docs, key {key}, "
                f"settings {data_dir / 'anju.env'}"
            )
            say(f"控制台（浏览器打开）：{api_url}")
            database_url = settings["ANJU_DATABASE_URL"]
            threading.Thread(target=print_alerts, args=(database_url, say, stop), daemon=True).start()
            if demo:
                _tell_accounts(settings["ANJU_DEMO_PASSWORD"], api_url)
                _start_demo(settings, supervisor, progress)
        supervisor.watch(stop)
        progress("stopping")


def _start(
    given: Settings, broker: BrokerName, home: Home, supervisor: Supervisor, progress: Progress, *, demo: bool
) -> tuple[dict[str, str], str]:
    """Start all parts; return the settings in force and the URL of the API."""
    keys = {f"ANJU_{name.upper()}": _key(given, home, name) for name in ("api_key", "secret_key")}
    http_port = _port(given, home, "http", 8000)
    with shown_progress("preparing the servers", "MB fetched", _look_at_download):
        servers = _start_servers(given, broker, home, supervisor, progress)
    settings = servers.settings
    settings |= keys
    progress("bringing the database to this version")
    if advice := migrate(servers.database_urls[Role.OWNER]):
        progress(f"note: {advice}")
    if demo:
        register_demo(settings["ANJU_DATABASE_URL"])
        settings["ANJU_DEMO_PASSWORD"] = given.need("demo_password") if given.demo_password else _demo_password(home)
    keep_demo_accounts(settings["ANJU_DATABASE_URL"], settings.get("ANJU_DEMO_PASSWORD"))
    return settings, _start_anju(given, servers, home, supervisor, progress, http_port=http_port)


def _look_at_download(work: ShownProgress) -> None:
    fetched = fetched_megabytes(SERVERS)
    if fetched:
        work.update(min(fetched / SERVERS.megabytes, 1.0), round(fetched))


def _start_servers(
    given: Settings, broker_name: BrokerName, home: Home, supervisor: Supervisor, progress: Progress
) -> _Servers:
    """Return the given servers, and private ones started for the rest."""
    settings = {
        f"ANJU_{name.upper()}": given.need(name)
        for name in ("database_url", "mqtt_url", "publish_mqtt_url", "read_mqtt_url", "door_url", "door_seed")
        if getattr(given, name)
    }
    if given.database_url:
        database_urls = dict.fromkeys(Role, settings["ANJU_DATABASE_URL"])
    else:
        database = prepare_database(home, progress)
        progress("starting PostgreSQL with TimescaleDB")
        supervisor.start(database.part(), _READY_S)
        database_urls = {role: database.url(role) for role in Role}
        settings["ANJU_DATABASE_URL"] = database_urls[Role.OPERATOR]
    if "ANJU_MQTT_URL" not in settings:
        broker = prepare_broker(
            home,
            progress,
            BROKERS[broker_name],
            partitions=given.partitions,
            guarded=True,
            tls=_broker_tls(given, home),
        )
        progress(f"starting {broker.title}")
        supervisor.start_together(broker.parts, _READY_S)
        settings |= {"ANJU_MQTT_URL": broker.ingest_url, "ANJU_PUBLISH_MQTT_URL": broker.publish_url}
        settings["ANJU_READ_MQTT_URL"] = broker.read_url
        settings |= {"ANJU_DOOR_URL": broker.door_url, "ANJU_DOOR_SEED": broker.door_seed}
        settings["ANJU_BROKER_MONITORING"] = ",".join(broker.monitoring_urls)
        settings["ANJU_BROKER_LOG"] = ",".join(str(home.log_file(part.name).absolute()) for part in broker.parts)
    return _Servers(settings, database_urls)


def _broker_tls(given: Settings, home: Home) -> BrokerTls | None:
    if given.mqtt_tls == "off":
        return None
    own = None
    if given.mqtt_certificate_file or given.mqtt_key_file:
        own = Path(given.need("mqtt_certificate_file")).absolute(), Path(given.need("mqtt_key_file")).absolute()
    return BrokerTls(home.path / "tls", given.mqtt_host_names, own, mutual=given.mqtt_tls == "mutual")


def _start_anju(
    given: Settings,
    servers: _Servers,
    home: Home,
    supervisor: Supervisor,
    progress: Progress,
    *,
    http_port: int,
) -> str:
    """Start ingest, API and worker, each with its role, complete the settings, and return the URL of the API."""
    settings = servers.settings
    if given.backup_dir:
        settings |= {"ANJU_BACKUP_DIR": str(given.backup_dir.absolute()), "ANJU_BACKUP_KEEP": str(given.backup_keep)}
        settings |= {"ANJU_BACKUP_RECIPIENT": given.backup_recipient} if given.backup_recipient else {}
    if given.secret_key_old:
        settings["ANJU_SECRET_KEY_OLD"] = given.need("secret_key_old").replace("\n", ",")
    if given.retention_days:
        settings["ANJU_RETENTION_DAYS"] = str(given.retention_days)
    if given.event_retention_days:
        settings["ANJU_EVENT_RETENTION_DAYS"] = given.event_retention_days
    if given.notify_file:
        settings["ANJU_NOTIFY_FILE"] = str(given.notify_file.absolute())
    if given.rules_dir:
        settings["ANJU_RULES_DIR"] = str(given.rules_dir.absolute())
    settings |= {"ANJU_PARTITIONS": str(given.partitions), "ANJU_SPOOL_MIB": str(given.spool_mib)}
    for name in ("http_hosts", "http_proxies", "http_rate", "http_connections", "http_streams"):
        if name in given.model_fields_set:
            settings[f"ANJU_{name.upper()}"] = str(getattr(given, name))
    metrics_port = _port(given, home, "metrics", 9100)
    worker_metrics_port = home.ports.claim("worker-metrics", 9102)
    if disks := given.disks or _disks(home):
        settings["ANJU_DISKS"] = disks
    settings |= {"ANJU_HTTP_HOST": given.http_host, "ANJU_HTTP_PORT": str(http_port)}
    api_url = f"http://{_reachable(given.http_host)}:{http_port}"
    progress("starting door, ingest, API and worker")
    if as_root := parts_as_root(("door", "ingest", "api", "worker"), settings):
        progress(f"note: {', '.join(as_root)} run as root: {sys.prefix} or a file of the settings is closed to others")

    def given_to(role: Role) -> dict[str, str]:
        return {**settings, "ANJU_DATABASE_URL": servers.database_urls[role]}

    ready = ingest_ready(metrics_port, given.partitions)
    first = [anju_part("ingest", ("ingest",), _with_metrics(given_to(Role.INGEST), metrics_port), ready)]
    if "ANJU_DOOR_URL" in settings:
        port = home.ports.claim("door-metrics", 9101)
        first.append(anju_part("door", ("door",), _with_metrics(given_to(Role.DOOR), port), door_ready(port)))
    supervisor.start_together(first, _READY_S)
    api = anju_part("api", ("api",), given_to(Role.API), api_ready(api_url))
    working = worker_ready(settings["ANJU_DATABASE_URL"])
    worker = anju_part("worker", ("worker",), _with_metrics(given_to(Role.WORKER), worker_metrics_port), working)
    backup = anju_part("backup", ("backup", "--daily", _BACKUP_AT), given_to(Role.OPERATOR), always_ready)
    supervisor.start_together((api, worker, *([backup] if given.backup_dir else [])), _READY_S)
    return api_url


def _with_metrics(settings: dict[str, str], port: int) -> dict[str, str]:
    """Return the settings of a part that serves its metrics on a port of this machine."""
    return {**settings, "ANJU_METRICS_PORT": str(port), "ANJU_HTTP_HOST": "127.0.0.1"}


def _key(given: Settings, home: Home, name: str) -> str:
    """Return the configured key, or else the one of the data directory, made at its first start.

    Raises:
        LocalError: the secret key of an existing database is lost.
    """
    if getattr(given, name):
        return given.need(name)
    # Hashes of plates and what waits in the spool belong to the secret key; an API key may be made anew.
    used_by = home.path / "postgres" / "cluster" if name == "secret_key" else None
    return kept_secret(home.path / name, None, used_by=used_by)


def _demo_password(home: Home) -> str:
    """Return the password of the demo accounts, which is made at the first start and easy to type."""
    path = home.path / "demo_password"
    if not path.exists():
        write_private(path, initial_password())
    return read_secret(path)


def _port(given: Settings, home: Home, name: str, preferred: int) -> int:
    """Return the configured port, or else a free one.

    Raises:
        SettingsError: the configured port is in use.
    """
    port: int = getattr(given, f"{name}_port")
    if f"{name}_port" not in given.model_fields_set or port == 0:
        return home.ports.claim(name, preferred)
    if not is_free(port):
        setting = f"ANJU_{name.upper()}_PORT={port}"
        raise SettingsError(f"{setting} is in use by another program: end it, or choose another")
    return port


def _disks(home: Home) -> str:
    """Return the setting with the folders of the private servers; empty where a name in the path has a comma."""
    names = {"database": "postgres", "broker": "broker"}
    folders = {name: home.path / folder for name, folder in names.items() if (home.path / folder).is_dir()}
    return "" if "," in str(home.path) else ",".join(f"{name}={folder}" for name, folder in folders.items())


def _reachable(host: str) -> str:
    """Return the address of a server that listens on `host`, which may mean every address."""
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - recognised here, not listened on


def _tell_accounts(password: str, url: str) -> None:
    shown = password if sys.stdout.isatty() else "见登录页"
    names = "、".join(f"{account.name}（{account.role_zh}）" for account in demo_accounts(password))
    say(f"演示账号，在 {url} 登录，密码都是 {shown}：{names}")


def _start_demo(settings: dict[str, str], supervisor: Supervisor, progress: Progress) -> None:
    names = "、".join(f"{site.name}（{site.community}）" for site in COMMUNITIES)
    week = in_chinese(parse_duration(HISTORY))
    progress(f"演示：{names} 开始上报，两分钟内依次发生 {len(FAULTS)} 个故障；同时在后台补 {week}的历史数据")
    options = [argument for site in COMMUNITIES for argument in ("--community", site.community)]
    options += [argument for fault in FAULTS for argument in ("--fault", fault)]
    arguments = ("simulate", "--history", HISTORY, "--on-time", *options)
    supervisor.start(anju_part("simulators", arguments, settings, always_ready))
