"""A broker with a door in front of it, and devices with secrets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doors import new_secret, register_devices, running_door
from local.brokers.broker import Broker
from local.home import Home
from running import running_broker

COMMUNITY = "east"
METER, NEIGHBOUR, GATEWAY, CHILD = (
    f"{COMMUNITY}/water_meter/w1",
    f"{COMMUNITY}/water_meter/w2",
    f"{COMMUNITY}/gateway/g1",
    f"{COMMUNITY}/water_meter/w3",
)
WITHOUT_SECRET = f"{COMMUNITY}/camera/c1"


@dataclass(frozen=True)
class Guarded:
    """Broker behind a door, its log, and the secrets of the devices by username."""

    broker: Broker
    database_url: str
    log: Path
    secrets: dict[str, str]
    partitions: int

    @property
    def url(self) -> str:
        return self.broker.ingest_url

    def topic(self, username: str, channel: str = "telemetry") -> str:
        """Return the topic of a device as the device writes it."""
        return f"anju/v1/{username}/{channel}"


@pytest.fixture(scope="module", params=[1, 4], ids=["one_partition", "four_partitions"])
def guarded(request, tmp_path_factory, new_database) -> Iterator[Guarded]:
    """A broker whose logins are answered by the door; its devices stay as they are."""
    partitions = request.param
    with new_database() as url, Home(tmp_path_factory.mktemp("guarded")) as home:
        register_devices(
            url,
            COMMUNITY,
            {"device": "g1", "kind": "gateway"},
            {"device": "w1", "kind": "water_meter"},
            {"device": "w2", "kind": "water_meter"},
            {"device": "w3", "kind": "water_meter", "gateway": "g1"},
            {"device": "c1", "kind": "camera"},
        )
        secrets = {username: new_secret(url, username) for username in (METER, NEIGHBOUR, GATEWAY, CHILD)}
        with (
            running_broker(home, partitions, guarded=True) as (broker, process),
            running_door(url, broker, partitions=partitions),
        ):
            yield Guarded(broker, url, process.log_file, secrets, partitions)
