"""What the acceptance tests share: `anju` as a user runs it, and `anju up` seen from outside."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import chdir, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from typer.testing import CliRunner

from app.cli import app
from patience import eventually, patient
from running import ANJU

PARTS = ("postgres", "broker", "ingest", "api", "worker")
_READY_S = 150
# They say which servers this machine can run, which the user of a test does not decide.
_OF_THE_MACHINE = ("ANJU_LOCAL_", "ANJU_DEBIAN_MIRROR")
_READY = re.compile(r"ready: API (\S+)/api/v1, its documentation (\S+), key (\S+), settings (\S+)")


def environment(settings):
    """The environment of a user who has set these settings of Anju and nothing else of it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ANJU_") or k.startswith(_OF_THE_MACHINE)}
    return {**kept, "COLUMNS": "100", **settings}


def anju(*arguments, cwd, **settings):
    """Run `anju` to its end in the folder `cwd`."""
    return subprocess.run(
        [ANJU, *map(str, arguments)],
        cwd=cwd, env=environment(settings), capture_output=True, text=True, timeout=patient(240), check=False,
    )  # fmt: skip


def invoke(*arguments, cwd, **settings):
    """Run a command of `anju` in this process, for cases about its output and exit code and not about processes.

    Raises:
        Exception: The command ended with an exception, which `anju` as a process may turn into an exit code.
    """
    removed = dict.fromkeys(os.environ.keys() - environment({}).keys())
    with chdir(cwd):
        result = CliRunner().invoke(app, [*map(str, arguments)], env={**removed, **environment(settings)})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


def processes_of(folder):
    """Ids of the processes that work in the folder or have a file below it open, logs and locks included."""
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and _works_in(each, folder)]


def _works_in(process, folder):
    try:
        places = [(process / "cwd").readlink(), *(each.readlink() for each in (process / "fd").iterdir())]
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
    return any(place.is_relative_to(folder) for place in places)


class Up:
    """`anju up` in a folder of its own, what it prints, and what it keeps there."""

    def __init__(self, folder, *options, **settings):
        self.folder = folder
        self.data_dir = folder / ".anju"
        self._options = options
        self._given = settings
        self.process = None

    def start(self):
        """Start it, again too, and return when it says that it is ready."""
        self.lines, began = [], time.monotonic()
        self.process = subprocess.Popen(
            [ANJU, "up", *self._options],
            cwd=self.folder, env=environment(self._given), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout, self.lines))
        self._reader.start()
        eventually(lambda: self.ready_line or self.process.poll() is not None, timeout_s=_READY_S)
        assert self.ready_line, self.output
        self.ready_after_s, self.ready_at = time.monotonic() - began, datetime.now(UTC)
        self.url, self.documentation, self.key, self.settings_file = _READY.fullmatch(self.ready_line).groups()

    @staticmethod
    def _read(stream, lines):
        with stream:
            lines.extend(line.rstrip("\n") for line in stream)

    @property
    def output(self):
        return "\n".join(self.lines)

    @property
    def ready_line(self):
        return next((line for line in self.lines if line.startswith("ready:")), None)

    @property
    def settings(self):
        """What stands in its anju.env."""
        return dict(line.split("=", 1) for line in (self.data_dir / "anju.env").read_text().splitlines())

    @property
    def database_url(self):
        return self.settings["ANJU_DATABASE_URL"]

    @property
    def secrets(self):
        """Every secret in its settings: the keys, and the passwords in the URLs."""
        settings = self.settings
        passwords = [urlsplit(value).password for key, value in settings.items() if key.endswith("_URL")]
        return {settings["ANJU_API_KEY"], settings["ANJU_SECRET_KEY"], *passwords}

    def anju(self, *arguments, **settings):
        """Run a command beside it, which finds its settings by itself."""
        return anju(*arguments, cwd=self.folder, **settings)

    def get(self, path, **query):
        """The answer of the API, which must be a good one."""
        answer = httpx.get(
            f"{self.url}/api/v1{path}",
            params=query,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=patient(30),
        )
        return answer.raise_for_status().json()

    def metrics(self):
        """What ingest tells Prometheus."""
        port = json.loads((self.data_dir / "ports.json").read_text())["metrics"]
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=patient(30)).raise_for_status().text

    def alerts(self):
        return self.get("/alerts", limit=1000)["items"]

    def pid(self, part):
        """The number in the part's pid file; 0 while there is none."""
        try:
            return int((self.data_dir / "run" / f"{part}.pid").read_text().strip() or 0)
        except FileNotFoundError:
            return 0

    def stop(self, number=signal.SIGINT):
        """Signal the whole foreground, as a terminal does on Ctrl-C, and return the exit code."""
        os.killpg(self.process.pid, number)
        code = self.process.wait(patient(90))
        self._reader.join(patient(10))
        return code


@contextmanager
def running_up(folder, *options, **settings):
    """`anju up`, ready; stopped after the block."""
    up = Up(folder, *options, **settings)
    try:
        up.start()
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()
