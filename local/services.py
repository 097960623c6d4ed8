"""Database and broker of one data directory, prepared for a supervisor or running on their own."""

import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from local import postgres
from local.binaries import find_postgres
from local.brokers.broker import Broker, Place
from local.brokers.nats import open_nats
from local.brokers.nats_cluster import open_nats_cluster
from local.brokers.tls import BrokerTls
from local.home import Home
from local.postgres import Postgres, open_postgres
from local.process import Process, end_leftovers, start_together
from local.users import service_user
from store.admin.roles import Role


class BrokerName(StrEnum):
    """Names of the brokers that `anju up` can run."""

    NATS = "nats"
    NATS_CLUSTER = "nats-cluster"


OpenBroker = Callable[[Place], Broker]

BROKERS: dict[BrokerName, OpenBroker] = {BrokerName.NATS: open_nats, BrokerName.NATS_CLUSTER: open_nats_cluster}


def prepare_database(home: Home, progress: Callable[[str], None]) -> Postgres:
    """Prepare the database of the home; a supervisor runs its `part()`.

    Raises:
        LocalError: the server is not available, or the home cannot be used; the message names the remedy.
    """
    programs, user = find_postgres(progress), service_user("postgres")
    # First end leftovers of a killed predecessor, so that their ports are free.
    end_leftovers(home.pid_file("postgres"), signal.SIGINT)
    port = home.ports.claim("postgres", postgres.PREFERRED_PORT)
    database = open_postgres(programs, home.path / "postgres", port, user)
    database.prepare()
    return database


def prepare_broker(
    home: Home,
    progress: Callable[[str], None],
    open_broker: OpenBroker = open_nats,
    *,
    partitions: int = 1,
    guarded: bool = False,
    tls: BrokerTls | None = None,
) -> Broker:
    """Prepare the broker of the home; a supervisor runs its `parts` together, and the door if it is `guarded`.

    Raises:
        LocalError: the broker is not available or does not support that many partitions; the message names the remedy.
    """
    for leftover in home.pid_file("broker").parent.glob("broker*.pid"):
        end_leftovers(leftover, signal.SIGTERM)
    user = service_user("broker")
    return open_broker(Place(home.path / "broker", home.ports, user, partitions, progress, guarded, tls))


@dataclass(frozen=True)
class Services:
    """Running database and broker; `kill()` and `start()` of each process are for tests of recovery.

    `database_url` is that of the owner, `superuser_url` that of the superuser of the server.
    """

    database_url: str
    superuser_url: str
    role_urls: Mapping[Role, str]
    mqtt_url: str
    publish_mqtt_url: str
    read_mqtt_url: str
    monitoring_urls: tuple[str, ...]
    door_url: str
    door_seed: str
    postgres: Process
    nodes: tuple[Process, ...]
    _stops: ExitStack

    @property
    def broker(self) -> Process:
        """Broker, or its first node."""
        return self.nodes[0]

    @property
    def monitoring_url(self) -> str:
        """URL of the monitoring of NATS, or of its first node."""
        return self.monitoring_urls[0]

    def stop(self) -> None:
        """Stop both and release the data directory."""
        self._stops.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_services(
    data_dir: Path, progress: Callable[[str], None], open_broker: OpenBroker = open_nats, *, partitions: int = 1
) -> Services:
    """Start a database and a broker with data in `data_dir`, and yield them when both are ready.

    Raises:
        LocalError: the servers are not available or do not start; none of them is left running.
    """
    with ExitStack() as stack:
        home = stack.enter_context(Home(data_dir))
        database = prepare_database(home, progress)
        broker = prepare_broker(home, progress, open_broker, partitions=partitions)
        processes = [Process(part, home) for part in (database.part(), *broker.parts)]
        for process in processes:
            stack.callback(process.stop)
        start_together(processes)
        return Services(
            database_url=database.url(),
            superuser_url=database.superuser_url,
            role_urls={role: database.url(role) for role in Role},
            mqtt_url=broker.ingest_url,
            publish_mqtt_url=broker.publish_url,
            read_mqtt_url=broker.read_url,
            monitoring_urls=broker.monitoring_urls,
            door_url=broker.door_url,
            door_seed=broker.door_seed,
            postgres=processes[0],
            nodes=tuple(processes[1:]),
            _stops=stack.pop_all(),
        )
