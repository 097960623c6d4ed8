"""Parts of `anju up`, each a process of its own, and the checks of their readiness."""

import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from local.errors import LocalError
from local.process import Part
from store.admin.locks import dispatcher_address
from store.database import DatabaseUnavailableError, connect

_TIMEOUT_S = 2.0


def anju_part(name: str, arguments: tuple[str, ...], settings: Mapping[str, str], ready: Callable[[], None]) -> Part:
    """Return a part that runs a subcommand of `anju` with exactly these settings."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("ANJU_")}
    argv = (str(Path(sys.executable).with_name("anju")), *arguments)
    return Part(name=name, argv=argv, env={**others, **settings}, check_ready=ready)


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
                address = dispatcher_address(connection)
        except DatabaseUnavailableError as error:
            raise LocalError(str(error)) from error
        if address is None:
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
