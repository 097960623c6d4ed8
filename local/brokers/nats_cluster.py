"""Three NATS Servers, each with every message: one may be killed or cut off without a noticeable pause."""

from local.binaries import find_nats_server
from local.brokers.broker import Broker, Place, open_accounts, open_door
from local.brokers.nats import (
    PREFERRED_DOOR_PORT,
    PREFERRED_MONITORING_PORT,
    Node,
    configuration,
    door_url,
    prepared,
)
from local.secret import kept_secret

NODES = 3
PREFERRED_ROUTE_PORT = 6222

# A message is acknowledged when two of the three nodes have it; a session and its queue are as safe.
CLUSTER = """\
cluster {{
  name: anju
  listen: "127.0.0.1:{port}"
  authorization {{ user: route, password: "{password}" }}
  routes: [{routes}]
}}
"""


def open_nats_cluster(place: Place) -> Broker:
    """Prepare three nodes on this machine with one set of accounts; clients may use any of them.

    Raises:
        LocalError: NATS Server is not available; the message names the remedy.
    """
    accounts, keys = open_accounts(place), open_door(place)
    password = kept_secret(place.folder / "route.password", place.user)
    program = find_nats_server(place.progress)
    numbers = range(1, NODES + 1)
    nodes = [
        Node(
            f"broker-{number}",
            f"anju-{number}",
            place.folder / f"node-{number}",
            place.claim_mqtt(f"-{number}"),
            place.ports.claim(f"monitoring-{number}", PREFERRED_MONITORING_PORT),
            place.ports.claim(f"door-{number}", PREFERRED_DOOR_PORT),
            replicas=NODES,
        )
        for number in numbers
    ]
    ports = [place.ports.claim(f"route-{number}", PREFERRED_ROUTE_PORT) for number in numbers]
    routes = ", ".join(f'"nats://route:{password}@127.0.0.1:{port}"' for port in ports)
    parts = tuple(
        prepared(
            node,
            configuration(node, accounts, keys, place) + CLUSTER.format(port=port, password=password, routes=routes),
            program,
            place,
        )
        for node, port in zip(nodes, ports, strict=True)
    )
    mqtt_ports = tuple(node.mqtt_port for node in nodes)
    return Broker(
        "three NATS Servers",
        accounts,
        mqtt_ports,
        parts,
        tuple(node.monitoring_url for node in nodes),
        door_url(keys, nodes),
        keys.seed,
        place.tls,
    )
