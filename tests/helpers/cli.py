"""Shared by the acceptance tests: `anju` as a user runs it, and `anju up` seen from outside."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import structlog
from typer.testing import CliRunner

from app.cli import app
from patience import eventually, patient
from running import ANJU

PARTS = ("postgres", "broker", "door", "ingest", "api", "worker")
_READY_S = 150
# Settings of the machine: where its servers are found is not for the user in a test to decide.
_OF_THE_MACHINE = ("ANJU_LOCAL_", "ANJU_DEBIAN_MIRROR")
_READY = re.compile(r"ready: API (\S+)/api/v1, its documentation (\S+), key (\S+), settings (\S+)")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a user who has set these settings of Anju and no others."""
    machine = {k: v for k, v in os.environ.items() if not k.startswith("ANJU_") or k.startswith(_OF_THE_MACHINE)}
    return {**machine, "COLUMNS": "100", **settings}


def anju(*arguments: object, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `anju` as a process in the folder `cwd` until it ends."""
    return subprocess.run(
        [ANJU, *map(str, arguments)],
        cwd=cwd, env=environment(settings), capture_output=True, text=True, timeout=patient(240), check=False,
    )  # fmt: skip


def invoke(*arguments: object, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `anju` in this process, for cases about its output and not about processes.

    Raises:
        Exception: The command ended with an exception, which `anju` as a process may turn into an exit code.
    """
    removed = dict.fromkeys(os.environ.keys() - environment({}).keys())
    with chdir(cwd), _logs_of_a_command():
        result = CliRunner().invoke(app, [*map(str, arguments)], env={**removed, **environment(settings)})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess([*map(str, arguments)], result.exit_code, result.stdout, result.stderr)


@contextmanager
def _logs_of_a_command() -> Iterator[None]:
    """Let a command set up its logs for its own time: its standard error is closed afterwards."""
    before, configure = structlog.get_config(), structlog.configure
    with patch("structlog.configure", lambda **settings: configure(**{**settings, "cache_logger_on_first_use": False})):
        yield
    configure(**before)


class Up:
    """`anju up` in a folder of its own, with its output and its data.

    Attributes:
        lines: the output so far.
        ready_at: when it last said that it is ready.
    """

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.folder = folder
        self.data_dir = folder / ".anju"
        self.lines: list[str] = []
        self._options = options
        self._settings = settings

    def start(self) -> None:
        """Start it, or start it again, and return when it says that it is ready."""
        began = time.monotonic()
        self.spawn()
        eventually(lambda: self.ready_line or self.process.poll() is not None, timeout_s=_READY_S)
        words = _READY.fullmatch(self.ready_line)
        assert words, self.output
        self.ready_after_s, self.ready_at = time.monotonic() - began, datetime.now(UTC)
        self.url, self.documentation, key, self.settings_file = words.groups()
        assert key == "ANJU_API_KEY"  # its name: the output is a pipe here, and may be a log
        self.key = self.settings[key]

    def spawn(self) -> None:
        """Start it, and do not wait."""
        self.lines = []
        self.process = subprocess.Popen(
            [ANJU, "up", *self._options],
            cwd=self.folder, env=environment(self._settings), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reader = threading.Thread(target=_read, args=(self.process.stdout, self.lines))
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return hasattr(self, "process") and self.process.poll() is None

    @property
    def output(self) -> str:
        """Standard output and error so far."""
        return "\n".join(self.lines)

    @property
    def ready_line(self) -> str:
        """The line with addresses and key, empty until it is printed."""
        return next((line for line in self.lines if line.startswith("ready:")), "")

    @property
    def settings(self) -> dict[str, str]:
        """The settings in its `anju.env`."""
        lines = (self.data_dir / "anju.env").read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    @property
    def database_url(self) -> str:
        """Its database for the owner, with the password; a given one as it is given."""
        return self._database_url("anju_owner", "anju_owner.password")

    @property
    def superuser_url(self) -> str:
        """Its database for the superuser of its server, with the password; a given one as it is given."""
        return self._database_url("postgres", "password")

    def _database_url(self, role: str, file: str) -> str:
        url, password = self.settings["ANJU_DATABASE_URL"], self.data_dir / "postgres" / file
        if not password.exists():
            return url
        _, _, address = url.rpartition("@")
        return f"postgresql://{role}:{password.read_text().strip()}@{address}"

    @property
    def secrets(self) -> set[str]:
        """Every secret of it: the keys, and the passwords in the URLs."""
        settings = {**self.settings, "OWNER_URL": self.database_url, "SUPERUSER_URL": self.superuser_url}
        passwords = {urlsplit(value).password or "" for key, value in settings.items() if key.endswith("_URL")}
        return {settings["ANJU_API_KEY"], settings["ANJU_SECRET_KEY"], *passwords}

    def anju(self, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command in its folder, where the command finds its settings."""
        return anju(*arguments, cwd=self.folder, **settings)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a successful answer of the API."""
        address, headers = f"{self.url}/api/v1{path}", {"Authorization": f"Bearer {self.key}"}
        return httpx.get(address, params=query, headers=headers, timeout=patient(30)).raise_for_status().json()

    def metrics(self) -> str:
        """Return the Prometheus metrics of ingest."""
        port = json.loads((self.data_dir / "ports.json").read_text())["metrics"]
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=patient(30)).raise_for_status().text

    def alerts(self) -> list[dict[str, Any]]:
        """Return the newest thousand alerts of the API."""
        return list(self.get("/alerts", limit=1000)["items"])

    def pid(self, part: str) -> int:
        """Return the number in the part's pid file, or 0 when there is none."""
        try:
            return int((self.data_dir / "run" / f"{part}.pid").read_text().strip() or 0)
        except FileNotFoundError:
            return 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal the whole foreground, as a terminal does on Ctrl-C, and return the exit code."""
        os.killpg(self.process.pid, number)
        code = self.process.wait(patient(90))
        self._reader.join(patient(10))
        return code


def _read(stream: IO[str], lines: list[str]) -> None:
    with stream:
        lines.extend(line.rstrip("\n") for line in stream)


@contextmanager
def running_up(folder: Path, *options: str, **settings: str) -> Iterator[Up]:
    """Start `anju up`, and stop it after the block."""
    up = Up(folder, *options, **settings)
    try:
        up.start()
        yield up
    finally:
        if up.running:
            up.stop()
