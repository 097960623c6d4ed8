"""The database and the broker of one data directory, prepared for a supervisor or running on their own."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from local import broker, postgres
from local.binaries import find_binaries
from local.broker import Nats, open_nats
from local.home import Home
from local.postgres import Postgres, open_postgres
from local.process import Process, end_leftovers
from local.users import service_user


def prepare_services(home: Home, progress: Callable[[str], None]) -> tuple[Postgres, Nats]:
    """Make the home's database and broker ready to start; `part()` of each is what a supervisor runs.

    Raises:
        LocalError: the servers cannot be had, or the home cannot be used; says what to do.
    """
    binaries = find_binaries(progress)
    user = service_user()
    # First what a killed predecessor left, so that its ports are free for us again.
    end_leftovers(home.pid_file("postgres"), signal.SIGINT)
    end_leftovers(home.pid_file("broker"), signal.SIGTERM)
    database = open_postgres(
        binaries, home.path / "postgres", home.ports.claim("postgres", postgres.PREFERRED_PORT), user
    )
    mqtt = open_nats(
        binaries,
        home.path / "broker",
        home.ports.claim("mqtt", broker.PREFERRED_MQTT_PORT),
        home.ports.claim("monitoring", broker.PREFERRED_MONITORING_PORT),
        user,
    )
    database.prepare()
    mqtt.prepare()
    return database, mqtt


@dataclass(frozen=True)
class Services:
    """A running database and broker; `kill()` and `start()` of each process are for tests of recovery."""

    database_url: str
    mqtt_url: str
    publish_mqtt_url: str
    read_mqtt_url: str
    monitoring_url: str
    postgres: Process
    broker: Process
    _stops: ExitStack

    def stop(self) -> None:
        """Stop both and give up the data directory."""
        self._stops.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_services(data_dir: Path, progress: Callable[[str], None]) -> Services:
    """Start a database and a broker whose data lives in `data_dir`, and return when both are ready.

    Raises:
        LocalError: the servers cannot be had or do not start; nothing is left running then.
    """
    with ExitStack() as stack:
        home = stack.enter_context(Home(data_dir))
        database, mqtt = prepare_services(home, progress)
        processes = []
        for part in (database.part(), mqtt.part()):
            process = Process(part, home)
            stack.callback(process.stop)
            process.start()
            processes.append(process)
        return Services(
            database_url=database.url,
            mqtt_url=mqtt.ingest_url,
            publish_mqtt_url=mqtt.publish_url,
            read_mqtt_url=mqtt.read_url,
            monitoring_url=mqtt.monitoring_url,
            postgres=processes[0],
            broker=processes[1],
            _stops=stack.pop_all(),
        )
