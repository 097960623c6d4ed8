"""Dispatcher between a real database and a real receiver, with a clock that the test moves."""

import threading

import pytest

from database_roles import as_role
from notify.dispatcher import Dispatcher
from notify.enqueue import enqueue_notices
from notify.routing_file import load_routing
from notifying import Clock, alert_id, end_alerts, raise_alerts, write_routing
from receiver import receiving
from running import query
from store.admin.roles import Role
from store.database import Database
from store.notices.delivery import due_channels


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


class DispatcherHarness:
    """Dispatcher whose passes and clock the test controls, with the worker's role; the rest is done as the owner."""

    def __init__(self, url, database, worker_url, worker_database, path):
        self.url, self.database, self.path, self.clock = url, database, path, Clock()
        self._worker_database = worker_database
        self.dispatcher = Dispatcher(worker_url, worker_database, lambda: load_routing(path), self.clock)

    def route(self, **content):
        write_routing(self.path, **content)

    def enqueue_notices(self, *numbers):
        """Do the work of the queued job."""
        with self._worker_database.connection() as connection:
            enqueue_notices(connection, [alert_id(number) for number in numbers], load_routing(self.path), self.clock())

    def send_due(self, **time):
        """Move the clock, then send the due notices."""
        self.clock.advance(**time)
        with self._worker_database.connection() as connection:
            due = due_channels(connection, self.clock())
        for channel in due:
            self.dispatcher.send_due_notices(channel, threading.Event())

    def raise_alerts(self, *numbers, **more):
        raise_alerts(self.url, numbers, at=self.clock(), defer=False, **more)
        self.enqueue_notices(*numbers)

    def end_alerts(self, *numbers):
        end_alerts(self.url, numbers, at=self.clock(), defer=False)
        self.enqueue_notices(*numbers)

    def states(self):
        rows = query(
            self.url, "SELECT channel, kind, n, state, count(*) FROM notice GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3"
        )
        return [tuple(row) for row in rows]

    def waits(self):
        """Return kind and reason of every queued notice."""
        return query(self.url, "SELECT kind, waits_for FROM notice WHERE state = 'queued' ORDER BY id")


@pytest.fixture
def harness(database_url, tmp_path):
    worker_url = as_role(database_url, Role.WORKER)
    database, worker_database = (Database(url, application_name="test") for url in (database_url, worker_url))
    yield DispatcherHarness(database_url, database, worker_url, worker_database, tmp_path / "notify.yaml")
    worker_database.close()
    database.close()


@pytest.fixture
def program(harness, receiver):
    """Harness with one contact, a program that gets every alert."""
    harness.route(
        contacts=[{"name": "平台", "channels": {"webhook": f"{receiver.url}/hook"}}],
        routes=[{"severity": "info", "to": "平台"}],
    )
    return harness


@pytest.fixture
def manager(harness, receiver):
    """Harness with one contact, a WeCom robot that gets every alert."""
    harness.route(
        contacts=[{"name": "王经理", "channels": {"wecom": f"{receiver.url}/send?key=1"}}],
        routes=[{"severity": "info", "to": ["王经理"]}],
    )
    return harness
