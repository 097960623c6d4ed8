"""NATS Server with JetStream and its MQTT listener: the broker that Anju ships."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devices.broker_topics import QUEUES, subject_of, with_parents
from local.binaries import find_nats_server
from local.brokers.broker import (
    Account,
    Accounts,
    Broker,
    DoorKeys,
    Place,
    open_accounts,
    open_door,
)
from local.errors import LocalError
from local.process import Part
from local.secret import kept_secret
from local.users import as_seen_from_inside, private_directory, write_private

PREFERRED_MONITORING_PORT = 8222
PREFERRED_DOOR_PORT = 4222
_KEY_OF_A_STREAM = "meta.key"

# Reasons for these settings (subjects are MQTT topics with "." for "/"):
#   listen              NATS's own protocol, which only the door may use.
#   max_ack_pending     messages in flight to a session. A session may have 65,535 in all and a filter that ends in "#"
#                       takes two consumers; more makes SUBSCRIBE fail.
#   ack_wait            an unacknowledged message is sent again after this time and not earlier, also to a session that
#                       reconnects. An alert can be late by this time after a crash of ingest. A message that is only
#                       waiting in ingest is sent again, too, and ingest recognises it by its packet id.
#   max_pending         bytes that may wait for a client; a client with more, or without reading for write_deadline, is
#                       disconnected. The door keeps what is in flight to ingest far below (`door/backlog.py`), but for
#                       a moment after a flood begins, and where no door runs.
#   js_api_timeout      time for a store before the waiting connection is closed. An overloaded disk takes longer than
#                       the default of 5 s, and a publisher that reconnects adds to the load. With several nodes one may
#                       have died with the request, so the default is kept there.
#   sync_interval       two minutes is NATS's default: kill -9 loses nothing, a power cut up to that much. "always"
#                       survives the power cut too and costs most of the throughput.
#   cipher              messages wait on disk with the plates and door users that they carry. The key is in `store.key`.
#                       A store from before there was one is encrypted at the next start, before any client connects.
#   mqtt tls            with it MQTT is open to the network, without it to this machine alone.
#   max_payload         stays at its default of 1 MB.
#   auth_callout        every login that is none of auth_users is a question to the door. The door is in the system
#                       account, where it may end connections and where no device can read or answer questions.
#   timeout             seconds for an answer of the door: many devices that reconnect at once wait for one another.
CONFIGURATION = """\
# Written by Anju at every start.
server_name: {name}
listen: "127.0.0.1:{door_port}"
http: "127.0.0.1:{monitoring_port}"
max_pending: 256MB
write_deadline: "60s"
jetstream {{ store_dir: {store_dir}, sync_interval: "{sync_interval}", cipher: chacha, key: $STORE_KEY }}
mqtt {{
  listen: "{mqtt_host}:{mqtt_port}", ack_wait: "10s", max_ack_pending: 30000, stream_replicas: {replicas}
  js_api_timeout: "{store_timeout}"
  {tls}
}}
mappings {{ {mappings} }}
accounts {{ SYS: {{ users: [
  {door}
] }} }}
system_account: SYS
authorization {{
  timeout: 10
  auth_callout {{ issuer: {issuer}, account: SYS, auth_users: {static_users} }}
  users: [
{users}
  ]
}}
"""

DOOR = "door"
# The questions of the broker, its answers about connections and the size of its store, and the commands that end a
# connection.
DOOR_PERMISSIONS = {
    "subscribe": {"allow": ["$SYS.REQ.USER.AUTH", "_INBOX.door.>"]},
    "publish": {
        "allow": ["$SYS._INBOX.>", "$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK", "$SYS.REQ.SERVER.PING.JSZ"]
    },
}


@dataclass(frozen=True)
class Node:
    """Node of NATS Server; `folder` contains its configuration and `jetstream/`. `part` names its process.

    The node has `replicas` copies of every message, each on another node.
    """

    part: str
    name: str
    folder: Path
    mqtt_port: int
    monitoring_port: int
    door_port: int
    replicas: int = 1

    @property
    def monitoring_url(self) -> str:
        """Return the URL of HTTP monitoring: `/healthz`, `/jsz?consumers=1` with the depth of each queue."""
        return f"http://127.0.0.1:{self.monitoring_port}"


def open_nats(place: Place, *, sync_interval: str = "2m") -> Broker:
    """Prepare one NATS Server.

    Raises:
        LocalError: NATS Server is not available; the message names the remedy.
    """
    accounts, keys = open_accounts(place), open_door(place)
    node = Node(
        "broker",
        "anju",
        place.folder,
        place.claim_mqtt(),
        place.ports.claim("monitoring", PREFERRED_MONITORING_PORT),
        place.ports.claim("door", PREFERRED_DOOR_PORT),
    )
    text = configuration(node, accounts, keys, place, sync_interval=sync_interval)
    part = prepared(node, text, find_nats_server(place.progress), place)
    return Broker(
        "NATS Server",
        accounts,
        (node.mqtt_port,),
        (part,),
        (node.monitoring_url,),
        door_url(keys, [node]),
        keys.seed,
        place.tls,
    )


def door_url(keys: DoorKeys, nodes: Sequence[Node]) -> str:
    """Return the URL at which the door connects to any of the nodes."""
    return f"nats://{DOOR}:{keys.password}@{','.join(f'127.0.0.1:{node.door_port}' for node in nodes)}"


def configuration(node: Node, accounts: Accounts, keys: DoorKeys, place: Place, *, sync_interval: str = "2m") -> str:
    """Return the text of `broker.conf`, which contains the passwords."""
    known = (accounts.ingest,) if place.guarded else accounts
    return CONFIGURATION.format(
        name=node.name,
        monitoring_port=node.monitoring_port,
        store_dir=json.dumps(str(as_seen_from_inside(node.folder, place.user) / "jetstream")),
        sync_interval=sync_interval,
        door_port=node.door_port,
        mqtt_host="0.0.0.0" if place.tls else "127.0.0.1",  # noqa: S104 - for the devices
        mqtt_port=node.mqtt_port,
        tls=place.tls.configuration() if place.tls else "",
        replicas=node.replicas,
        store_timeout="60s" if node.replicas == 1 else "5s",
        mappings=mappings(place.partitions),
        door=door_line(keys),
        issuer=keys.issuer,
        static_users=json.dumps([DOOR, *(account.name for account in known)]),
        users="\n".join(f"    {user_line(account)}" for account in known),
    )


def mappings(partitions: int) -> str:
    """Return the mapping of subjects of a community to subjects below its partition; empty for one partition.

    Last wills and retained messages are mapped too, and permissions are checked on the mapped subject. A topic that is
    too short for a device is mapped in the same way, so that ingest rejects it.
    """
    if partitions == 1:
        return ""
    mapped = f"anju.p.{{{{partition({partitions},1)}}}}.{{{{wildcard(1)}}}}"
    return f'"anju.v1": "anju.p.0", "anju.v1.*": "{mapped}", "anju.v1.*.>": "{mapped}.>"'


def user_line(account: Account) -> str:
    """Return the account as one line of the configuration.

    "anju/v1/#" matches its parent too. The broker delivers QoS 1 and 2, for which it keeps a queue, below QUEUES (2.14
    and newer allow it unless it is denied) and refuses a client's own SUBSCRIBE to it.
    """
    write = [subject_of(topic) for topic in account.write]
    read = with_parents(account.read)
    subscribe = {"allow": [*read, QUEUES[0]]} if account.has_queue else {"allow": read, "deny": [*QUEUES]}
    if account.hidden:
        subscribe.setdefault("deny", []).extend(with_parents(account.hidden))
    return json.dumps(
        {
            "user": account.name,
            "password": account.password,
            "allowed_connection_types": ["MQTT"],
            "permissions": {
                "publish": {"allow": write} if write else {"deny": ">"},
                "subscribe": subscribe if read else {"deny": ">"},
            },
        }
    )


def door_line(keys: DoorKeys) -> str:
    """Return the account of the door as one line of the configuration."""
    return json.dumps(
        {
            "user": DOOR,
            "password": keys.password,
            "allowed_connection_types": ["STANDARD"],
            "permissions": DOOR_PERMISSIONS,
        }
    )


def prepared(node: Node, text: str, program: Path, place: Place) -> Part:
    """Write the configuration of the node, readable by its user only; return the part to run.

    Raises:
        LocalError: the key of its store is lost, or a certificate can't be used.
    """
    user, tls = place.user, place.tls
    private_directory(node.folder, user)
    private_directory(node.folder / "jetstream", user)
    encrypted = next((node.folder / "jetstream").rglob(_KEY_OF_A_STREAM), None)
    key = kept_secret(node.folder / "store.key", user, used_by=encrypted)
    write_private(node.folder / "broker.conf", text, user)
    if tls:
        tls.write(node.folder, user)
    return Part(
        name=node.part,
        argv=(str(program), "-c", "broker.conf"),
        check_ready=partial(_check_ready, node),
        cwd=node.folder,
        env={"STORE_KEY": json.dumps(key)},  # read like a value of the configuration
        user=user,
        refresh=partial(tls.write, node.folder, user) if tls else None,
    )


def _check_ready(node: Node) -> None:
    """Return if the store is recovered and all listeners are open; raise LocalError otherwise."""
    try:
        urllib.request.urlopen(f"{node.monitoring_url}/healthz", timeout=2).close()  # noqa: S310 - http, 127.0.0.1
        socket.create_connection(("127.0.0.1", node.mqtt_port), timeout=2).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise LocalError(f"NATS Server reports that it is not ready: {error}") from error
    except OSError as error:  # including the other errors of urllib
        raise LocalError(f"NATS Server does not report itself healthy on {node.monitoring_url}: {error}") from error
