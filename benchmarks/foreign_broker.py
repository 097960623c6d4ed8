"""Parts that the brokers to compare NATS Server with have in common."""

import socket

from local.brokers.broker import Account, Place
from local.errors import LocalError


def need_one_partition(title: str, place: Place) -> None:
    """Check that one partition is wanted: only NATS Server maps communities to several.

    Raises:
        LocalError: several are wanted; says what to do.
    """
    if place.partitions > 1:
        raise LocalError(
            f"{title} cannot map communities to {place.partitions} partitions: "
            "set ANJU_PARTITIONS=1, or run NATS Server."
        )


def check_login(title: str, port: int, account: Account) -> None:
    """Return when the broker accepts a login of the account.

    An open listener proves little: a broker may open it before it has read its store.

    Raises:
        LocalError: the broker does not accept it yet.
    """
    texts = b"".join(
        len(text).to_bytes(2, "big") + text.encode() for text in ("anju-ready", account.name, account.password)
    )
    content = b"\x00\x04MQTT\x04\xc2\x00\x00" + texts  # MQTT 3.1.1, clean session, no keep-alive
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(bytes((0x10, len(content))) + content)
            answer = connection.recv(4)
    except OSError as error:
        raise LocalError(f"{title} does not answer on port {port}: {error}") from error
    if answer[3:] != b"\x00":
        raise LocalError(f"{title} on port {port} accepts no login yet.")
