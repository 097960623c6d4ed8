"""A NATS Server with its MQTT listener for one data directory."""

import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from local.binaries import Binaries
from local.errors import LocalError
from local.process import Part
from local.secret import kept_secret
from local.users import User, as_seen_from_inside, private_directory, write_private

PREFERRED_MQTT_PORT = 1883
PREFERRED_MONITORING_PORT = 8222
READ = ("anju.v1", "anju.v1.>", "$MQTT.sub.>")
WRITE = ("anju.v1.>",)

# What stands here and why (subjects are MQTT topics with "." for "/"):
#   listen              NATS's own protocol cannot be switched off; any free port, and no account may use it.
#   max_ack_pending     messages in flight to a session. A session may have 65,535 in all and a filter that ends in "#"
#                       takes two consumers; more makes SUBSCRIBE fail.
#   ack_wait            a message not acknowledged for so long is sent again, and only then: also to a session that
#                       reconnects. So this is how long an alert can be late after a crash of ingest. What is merely
#                       waiting its turn there is sent again, too, and ingest knows it by its packet id.
#   sync_interval       stays at two minutes, its default: kill -9 loses nothing, a power cut up to that much. "always"
#                       survives the power cut too and costs most of the throughput.
#   max_payload         stays at its default of 1 MB.
#   subscribe anju.v1   "anju/v1/#" matches its parent too.
#   subscribe $MQTT.sub the broker delivers QoS 1 to a session there (2.14 and newer allow it unasked); it refuses a
#                       client's own SUBSCRIBE to it.
CONFIGURATION = """\
# Written by Anju at every start.
server_name: anju
listen: "127.0.0.1:-1"
http: "127.0.0.1:{monitoring_port}"
jetstream {{ store_dir: {store_dir} }}
mqtt {{ listen: "127.0.0.1:{mqtt_port}", ack_wait: "10s", max_ack_pending: 30000 }}
authorization {{ users: [
{users}
] }}
"""


@dataclass(frozen=True)
class Account:
    """A login of the broker: its subjects to write to and to read from, all others are forbidden."""

    name: str
    password: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()

    def rendered(self) -> str:
        """The account as one line of the configuration."""
        publish, subscribe = (
            {"allow": list(subjects)} if subjects else {"deny": ">"} for subjects in (self.write, self.read)
        )
        return json.dumps(
            {
                "user": self.name,
                "password": self.password,
                "allowed_connection_types": ["MQTT"],
                "permissions": {"publish": publish, "subscribe": subscribe},
            }
        )


@dataclass(frozen=True)
class Nats:
    """The broker's settings; `prepare` makes them so on disk, `part` is the program to run.

    `data_dir` holds `broker.conf`, `jetstream/` and a password file for each account. Nobody gets in without one.
    """

    binaries: Binaries
    data_dir: Path
    mqtt_port: int
    monitoring_port: int
    user: User | None
    ingest: Account
    publisher: Account
    reader: Account

    @property
    def ingest_url(self) -> str:
        """For ingest: may subscribe below `anju/v1`."""
        return self._url(self.ingest)

    @property
    def publish_url(self) -> str:
        """For simulators and replay: may publish below `anju/v1`."""
        return self._url(self.publisher)

    @property
    def read_url(self) -> str:
        """For reading along: may subscribe below `anju/v1`."""
        return self._url(self.reader)

    @property
    def monitoring_url(self) -> str:
        """NATS's HTTP monitoring: `/healthz`, `/jsz?consumers=1` with the depth of each queue."""
        return f"http://127.0.0.1:{self.monitoring_port}"

    def configuration(self) -> str:
        """The text of `broker.conf`."""
        store = as_seen_from_inside(self.data_dir, self.user) / "jetstream"
        accounts = (self.ingest, self.publisher, self.reader)
        return CONFIGURATION.format(
            monitoring_port=self.monitoring_port,
            mqtt_port=self.mqtt_port,
            store_dir=json.dumps(str(store)),
            users="\n".join(f"  {account.rendered()}" for account in accounts),
        )

    def prepare(self) -> None:
        """Write the configuration, which carries the passwords, for the service's user only."""
        private_directory(self.data_dir, self.user)
        private_directory(self.data_dir / "jetstream", self.user)
        write_private(self.data_dir / "broker.conf", self.configuration(), self.user)

    def command(self) -> tuple[str, ...]:
        """The broker's argv, to be started in `data_dir`."""
        return (str(self.binaries.nats_server), "-c", "broker.conf")

    def part(self) -> Part:
        """The broker as a part to run."""
        return Part(
            name="broker", argv=self.command(), check_ready=self.check_ready, cwd=self.data_dir, env={}, user=self.user
        )

    def check_ready(self) -> None:
        """Return when the store is recovered and all listeners are open; raises LocalError until then."""
        try:
            urllib.request.urlopen(f"{self.monitoring_url}/healthz", timeout=2).close()  # noqa: S310 - http, 127.0.0.1
            socket.create_connection(("127.0.0.1", self.mqtt_port), timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
            raise LocalError(f"NATS Server reports that it is not ready: {error}") from error
        except OSError as error:  # urllib's other errors among them
            raise LocalError(f"NATS Server does not report itself healthy on {self.monitoring_url}: {error}") from error

    def _url(self, account: Account) -> str:
        return f"mqtt://{account.name}:{account.password}@127.0.0.1:{self.mqtt_port}"


def open_nats(binaries: Binaries, data_dir: Path, mqtt_port: int, monitoring_port: int, user: User | None) -> Nats:
    """The broker of `data_dir`, with the passwords kept there (made now when there are none)."""
    private_directory(data_dir, user)

    def account(name: str, write: tuple[str, ...] = (), read: tuple[str, ...] = ()) -> Account:
        return Account(name, kept_secret(data_dir / f"{name}.password", user), write, read)

    return Nats(
        binaries,
        data_dir,
        mqtt_port,
        monitoring_port,
        user,
        ingest=account("ingest", read=READ),
        publisher=account("publisher", write=WRITE),
        reader=account("reader", read=READ),
    )
