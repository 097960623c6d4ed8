"""A dispatcher whose time passes as a test lets it, between a real database and a real receiver."""

import threading

import pytest

from notify.dispatch import Dispatcher
from notify.routing_file import load_routing
from notify.tell import settle
from receiver import receiving
from running import query
from store.admin.migrate import migrate
from store.database import Database
from store.notices.notices import due_channels
from telling import Clock, alert_id, end_alerts, raise_alerts, write_routing


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


class Telling:
    """A dispatcher whose looks and time are those of the test."""

    def __init__(self, url, database, path):
        self.url, self.database, self.path, self.clock = url, database, path, Clock()
        self.dispatcher = Dispatcher(url, database, lambda: load_routing(path), self.clock)

    def route(self, **content):
        write_routing(self.path, **content)

    def settle(self, *numbers):
        """What the job of the queue does."""
        with self.database.connection() as connection:
            settle(connection, [alert_id(number) for number in numbers], load_routing(self.path), self.clock())

    def look(self, **time):
        """Let time pass, then send what is due."""
        self.clock.pass_(**time)
        with self.database.connection() as connection:
            due = due_channels(connection, self.clock())
        for channel in due:
            self.dispatcher.serve_channel(channel, threading.Event())

    def raised(self, *numbers, **more):
        raise_alerts(self.url, numbers, at=self.clock(), hand_in=False, **more)
        self.settle(*numbers)

    def ended(self, *numbers):
        end_alerts(self.url, numbers, at=self.clock(), hand_in=False)
        self.settle(*numbers)

    def states(self):
        rows = query(
            self.url, "SELECT channel, kind, n, state, count(*) FROM notice GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3"
        )
        return [tuple(row) for row in rows]


@pytest.fixture
def telling(database_url, tmp_path):
    migrate(database_url)
    database = Database(database_url, application_name="test")
    yield Telling(database_url, database, tmp_path / "notify.yaml")
    database.close()


@pytest.fixture
def program(telling, receiver):
    """One contact that is a program, told of everything."""
    telling.route(
        contacts=[{"name": "平台", "channels": {"webhook": f"{receiver.url}/hook"}}],
        routes=[{"severity": "info", "to": "平台"}],
    )
    return telling


@pytest.fixture
def manager(telling, receiver):
    """One contact with a WeCom robot, told of everything."""
    telling.route(
        contacts=[{"name": "王经理", "channels": {"wecom": f"{receiver.url}/send?key=1"}}],
        routes=[{"severity": "info", "to": ["王经理"]}],
    )
    return telling
