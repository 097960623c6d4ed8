"""Parts of `anju up`, each a process of its own, and the checks of their readiness."""

import functools
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from app.settings import parse_disks
from devices.broker_url import BrokerUrl
from local.errors import LocalError
from local.process import Part
from local.users import SERVICES, User, service_user
from store.admin.locks import dispatcher
from store.database import DatabaseUnavailableError, connect

_TIMEOUT_S = 2.0
# The secrets of each part beside the URL of the database.
_SECRETS = {
    "door": {"ANJU_DOOR_URL", "ANJU_DOOR_SEED", "ANJU_PUBLISH_MQTT_URL", "ANJU_READ_MQTT_URL"},
    "ingest": {"ANJU_MQTT_URL", "ANJU_SECRET_KEY", "ANJU_SECRET_KEY_OLD"},
    "api": {"ANJU_API_KEY", "ANJU_SECRET_KEY", "ANJU_SECRET_KEY_OLD", "ANJU_DEMO_PASSWORD"},
    "worker": {"ANJU_PUBLISH_MQTT_URL"},
    "simulators": {"ANJU_PUBLISH_MQTT_URL", "ANJU_SECRET_KEY"},
    "backup": {"ANJU_SECRET_KEY"},
}
# The settings that name files and folders that a part reads.
_READ = {"ingest": ("ANJU_RULES_DIR",), "api": ("ANJU_RULES_DIR",), "worker": ("ANJU_NOTIFY_FILE",)}


def anju_part(name: str, arguments: tuple[str, ...], settings: Mapping[str, str], ready: Callable[[], None]) -> Part:
    """Return a part that runs a subcommand of `anju` with these settings, as a user of its own if it can.

    Of the secrets it gets its own.
    """
    others = {key: value for key, value in os.environ.items() if not key.startswith("ANJU_")}
    hidden = set().union(*_SECRETS.values()) - _SECRETS[name]
    settings = {key: value for key, value in settings.items() if key not in hidden}
    argv = (str(Path(sys.executable).with_name("anju")), *arguments)
    user = part_user(name, settings)
    if user:
        others["HOME"] = "/"  # libraries look for files of their own there, and that of root is closed
    return Part(
        name=name, argv=argv, env={**others, **settings}, check_ready=ready, user=user, cwd=Path("/") if user else None
    )


def parts_as_root(names: Iterable[str], settings: Mapping[str, str]) -> list[str]:
    """Return the parts that run as root, because another user can't read Anju's code or the files of the settings."""
    return [name for name in names if os.geteuid() == 0 and part_user(name, settings) is None]


def part_user(name: str, settings: Mapping[str, str]) -> User | None:
    """Return the user for a part of ours: this process's own (None) where another can't reach its code and its files.

    A backup is written where this process's user may write.
    """
    user = service_user(name) if name in SERVICES else None
    if user is None:
        return None
    read = [settings[key] for key in _READ.get(name, ()) if key in settings]
    for url in (settings[key] for key in ("ANJU_MQTT_URL", "ANJU_PUBLISH_MQTT_URL") if key in settings):
        read += map(str, BrokerUrl.parse(url).files.values())
    watched = parse_disks(settings["ANJU_DISKS"]).values() if name == "worker" and "ANJU_DISKS" in settings else ()
    files = (*(f"{os.R_OK}{path}" for path in read), *(f"{os.F_OK}{folder}" for folder in watched))
    return user if _can_reach(user, files) else None


@functools.cache
def _can_reach(user: User, files: tuple[str, ...]) -> bool:
    """Return whether a user can read Anju's code, which may stand below root's home, and reach these files and folders.

    A file has the mode of `os.access` in front of its path.
    """
    code = "import os, sys, app, psycopg; sys.exit(not all(os.access(each[1:], int(each[0])) for each in sys.argv[1:]))"
    try:
        probe = subprocess.run(  # noqa: S603 - the argv is ours
            [sys.executable, "-c", code, *files],
            cwd="/", env={}, user=user.uid, group=user.gid, extra_groups=[], capture_output=True, check=False,
        )  # fmt: skip
    except PermissionError:  # the interpreter itself is out of reach
        return False
    return probe.returncode == 0


def ingest_ready(port: int, partitions: int) -> Callable[[], None]:
    """Return a check: ingest is ready with all its sessions, so that the broker keeps every later message."""

    def check() -> None:
        metrics = _get(f"http://127.0.0.1:{port}/metrics")
        subscribed = len(re.findall(r"(?m)^anju_ingest_subscribed\{.*\} 1\.0$", metrics))
        if subscribed < partitions:
            raise LocalError(f"ingest has subscribed to {subscribed} of {partitions} partitions at the broker.")

    return check


def door_ready(port: int) -> Callable[[], None]:
    """Return a check: the door is ready when it answers the broker."""

    def check() -> None:
        if not re.search(r"(?m)^anju_door_ready 1\.0$", _get(f"http://127.0.0.1:{port}/metrics")):
            raise LocalError("the door does not answer the broker yet.")

    return check


def api_ready(url: str) -> Callable[[], None]:
    """Return a check: the API is ready when `/readyz` says so."""

    def check() -> None:
        _get(f"{url}/readyz")

    return check


def worker_ready(database_url: str) -> Callable[[], None]:
    """Return a check: the worker is ready when a dispatcher sends notices."""

    def check() -> None:
        try:
            with closing(connect(database_url, application_name="anju up")) as connection:
                sending = dispatcher(connection)
        except DatabaseUnavailableError as error:
            raise LocalError(str(error)) from error
        if sending is None:
            raise LocalError("the worker does not send notices yet.")

    return check


def always_ready() -> None:
    """Accept a part without clients as ready."""


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        error.close()
        raise LocalError(f"{url} answers {error}") from error
    except OSError as error:
        raise LocalError(f"{url} does not answer: {error}") from error
