"""The API as a process over a real database, and helpers that fill the database."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.rule_files import rules_folder
from database_roles import as_role
from patience import eventually, patient
from store.admin.roles import Role
from store.alerts.alerts import NewAlert, claim_alert, progress_alert, raise_alert
from store.alerts.attention import AttentionChange, record_attention
from store.alerts.transitions import TransitionRow, alert_lock, insert_transitions
from store.database import Connection, connect
from store.registry.upsert import TableRows, upsert_registry
from store.telemetry.write import ReadingRow, insert_readings
from store.telemetry.write_events import EventRow, insert_events

KEY = "a-key-that-only-the-tests-know"
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)  # in Shanghai

_SERVE = """
import importlib
import json
import logging
import os
import resource
from pathlib import Path
from app.logging import configure_logging
from api.limits import HttpLimits
from api.serve import serve
from app.console_pages import console_pages
from rules.language.reload import RuleFolder

configure_logging(library_level=logging.INFO)
if descriptors := int(os.environ["DESCRIPTORS"]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
for name, value in json.loads(os.environ["CONSTANTS"]).items():
    module, _, constant = name.rpartition(".")
    setattr(importlib.import_module(module), constant, value)
rules = RuleFolder(Path(os.environ["RULES"]))
limits = HttpLimits(**json.loads(os.environ["LIMITS"]))
serve(
    os.environ["URL"], os.environ["HOST"], int(os.environ["PORT"]), os.environ["KEY"], rules,
    secret_keys=(b"a secret key of the tests",), limits=limits, make_pages=console_pages,
)
"""


def _speaks_chinese(answer: httpx.Response) -> None:
    """Check that a problem of any test has Chinese sentences for the person who acted."""
    if answer.headers.get("content-type") == "application/problem+json":
        answer.read()
        problem = answer.json()
        sentences = [problem["title"], problem["detail_zh"], *(each["msg_zh"] for each in problem.get("errors", ()))]
        assert [each for each in sentences if not re.search("[\u4e00-\u9fff]", each)] == [], problem


class Server:
    """Running API with a client that sends its key, and its log.

    `limits` are those of `HttpLimits`, `constants` replace others by their full name, `descriptors` bounds its files.
    """

    def __init__(
        self,
        database_url: str,
        log: Path,
        rules: Path | None = None,
        *,
        limits: dict[str, Any] | None = None,
        constants: dict[str, float] | None = None,
        descriptors: int | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.key = KEY
        self._log = log
        environment = {**os.environ, "URL": as_role(database_url, Role.API), "PORT": str(port), "KEY": KEY}
        environment |= {"RULES": str(rules_folder(rules)), "HOST": host}
        environment |= {"LIMITS": json.dumps(limits or {}), "CONSTANTS": json.dumps(constants or {})}

        environment["DESCRIPTORS"] = str(descriptors or 0)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVE], env=environment, stdout=output, stderr=output
            )
        self.client = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=patient(20),
            event_hooks={"response": [_speaks_chinese]},
        )
        eventually(self._answers, timeout_s=60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return httpx.get(f"{self.url}/healthz", timeout=patient(20)).is_success
        except httpx.TransportError:
            return False

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query)

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return all items of a list, page by page."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(path, **query).raise_for_status().json()
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            query["cursor"] = page["next_cursor"]

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patient(30))


_NO_ROWS = TableRows()


class SampleCommunity:
    """Community of one test, with methods that add devices, readings, events and alerts."""

    def __init__(self, connection: Connection) -> None:
        self.id = f"community-{uuid.uuid4().hex[:12]}"
        self.connection = connection
        self._numbers = itertools.count(1)
        self.register(
            communities=TableRows(("id", "name", "banner", "street"), [(self.id, "金河苑", "东胜区", "林荫街道")])
        )

    def register(
        self,
        communities: TableRows = _NO_ROWS,
        households: TableRows = _NO_ROWS,
        devices: TableRows = _NO_ROWS,
    ) -> None:
        upsert_registry(self.connection, communities, households, devices)
        self.connection.commit()

    def device(self, name: str, kind: str, **columns: Any) -> int:
        facts = {"community": self.id, "name": name, "kind": kind, **columns}
        self.register(devices=TableRows(tuple(facts), [tuple(facts.values())]))
        row = self.connection.execute(
            "SELECT id FROM device WHERE community = %s AND name = %s", (self.id, name)
        ).fetchone()
        assert row is not None
        self.connection.commit()
        return int(row[0])

    def readings(self, kind: str, device_id: int, series: dict[datetime, dict[str, float | bool | str]]) -> None:
        rows = [ReadingRow(device_id, ts, ts + timedelta(seconds=1), values) for ts, values in series.items()]
        insert_readings(self.connection, {kind: rows})
        self.connection.commit()

    def event(self, device_id: int, ts: datetime, event: str, identifier: str = "", **data: Any) -> None:
        insert_events(self.connection, [EventRow(device_id, ts, ts, event, identifier, data)])
        self.connection.commit()

    def alert(
        self,
        device_id: int | None = None,
        *,
        severity: str = "warning",
        title: str = "电压过高",
        kind: str = "electricity_meter",
        opened_at: datetime = NOON,
        community: str | None = "",
    ) -> UUID:
        """Raise an alert as ingest does: the alert and its first transition in one transaction."""
        alert_id, sequence = uuid.uuid4(), next(self._numbers)
        rule = f"rule_{alert_id.hex}"
        row = NewAlert(
            id=alert_id, rule=rule, rule_version="v1", device_id=device_id, sequence=sequence,
            community=self.id if community == "" else community, kind=kind, severity=severity, title=title,
            message="电压 245 V", advice="检查变压器分接头", opened_at=opened_at, raised_at=opened_at, simulated=False,
        )  # fmt: skip
        with alert_lock(self.connection) as locked:
            raise_alert(locked, row)
            insert_transitions(locked, [self.step(row, "normal", "active")])
        self.connection.commit()
        return alert_id

    def end(self, alert_id: UUID, at: datetime) -> None:
        with alert_lock(self.connection) as locked:
            progress_alert(locked, alert_id, "ended", at)
        self.connection.commit()

    def comment(self, connection: Connection, alert_id: UUID, *, pause_s: float) -> None:
        """Write a transition on that connection, and hold the transaction open for `pause_s` seconds."""
        with alert_lock(connection) as locked:
            row = claim_alert(locked, alert_id)
            assert row is not None
            change = AttentionChange(
                attention=row.attention, assignee=row.assignee, reason="comment", actor="test", comment=None
            )
            record_attention(locked, row, change, row.raised_at)
        time.sleep(pause_s)
        connection.commit()

    @staticmethod
    def step(row: NewAlert, before: str, after: str) -> TransitionRow:
        return TransitionRow(
            alert_id=row.id, rule=row.rule, rule_version=row.rule_version, device_id=row.device_id,
            sequence=row.sequence, axis="process", from_state=before, to_state=after, at=row.opened_at,
            decided_at=row.raised_at, reason="condition", inputs={"values": {"voltage_v": 245}},
        )  # fmt: skip


@pytest.fixture(scope="session")
def api_database(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The database that the tests of the API share; each works in a community of its own."""
    with new_database() as url:
        yield url


@pytest.fixture(scope="session")
def api(api_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """API over the shared database."""
    server = Server(api_database, tmp_path_factory.mktemp("api") / "log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server_class() -> type[Server]:
    """Class of a running API, for fixtures of one file."""
    return Server


@pytest.fixture
def start_api(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Function that starts an API for one test over a database."""
    started: list[Server] = []

    def start(database_url: str, rules: Path | None = None, **bounds: Any) -> Server:
        started.append(Server(database_url, tmp_path / f"log{len(started)}", rules, **bounds))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@contextmanager
def _community(database_url: str) -> Iterator[SampleCommunity]:
    with connect(database_url, application_name="test") as connection:
        yield SampleCommunity(connection)


@pytest.fixture(scope="session")
def community_in() -> Callable[[str], AbstractContextManager[SampleCommunity]]:
    """Function that makes a community in a database."""
    return _community


@pytest.fixture(scope="session")
def make_community(api_database: str) -> Callable[[], AbstractContextManager[SampleCommunity]]:
    """Function that makes communities in the shared database, one for each example of a property."""
    return lambda: _community(api_database)


@pytest.fixture
def community(api_database: str) -> Iterator[SampleCommunity]:
    """Community for one test in the shared database."""
    with _community(api_database) as community:
        yield community
