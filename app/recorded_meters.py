"""Sending of a recording: its meters are real ones, so each logs in as itself, one after another."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from urllib.parse import quote

from simulators.publisher import Publisher, PublisherError
from simulators.replay import COMMUNITY, Row, messages
from store.database import connect, translated_errors
from store.registry.registry import load_devices
from store.registry.secrets import Login, issue_secrets
from store.registry.version import lock_registry

_FLUSH_S = 600.0


def send_recording(
    rows: Sequence[Row], batch: int, database_url: str, publish_url: str, report: Callable[[int], None]
) -> int:
    """Send the rows meter by meter, each in the order of the file; return the number of acknowledged messages.

    The meters get new secrets for it. A broker that knows no device gets everything from the publishing account.

    Args:
        rows: the rows of a recording, whose meters are registered.
        batch: readings a message.
        database_url: the database of the registry.
        publish_url: the broker, with the account for publishing.
        report: receives the number of readings sent so far.

    Raises:
        PublisherError: the broker can't be reached, or accepts neither the meters nor the account.
    """
    by_meter = defaultdict[str, list[Row]](list)
    for row in rows:
        by_meter[row.device].append(row)
    logins = _new_logins(database_url, publish_url)
    if not all(map(_is_accepted, list(logins.values())[:1])):
        logins = {}
    sent = acknowledged = 0
    for device, own in by_meter.items():
        with Publisher(*logins.get(device, (publish_url,))) as publisher:
            for number, message in enumerate(messages(own, batch), 1):
                publisher.publish(message.topic, message.payload)
                report(sent + min(number * batch, len(own)))
            publisher.flush(_FLUSH_S)
        sent += len(own)
        acknowledged += publisher.acknowledged
    return acknowledged


def _new_logins(database_url: str, publish_url: str) -> dict[str, tuple[str, str]]:
    """Give each meter a new secret; return the URL and the client id of each."""
    with (
        translated_errors(),
        closing(connect(database_url, application_name="anju replay")) as connection,
        connection.transaction(),
    ):
        lock_registry(connection)
        devices = load_devices(connection, [COMMUNITY])
        names = {f"{COMMUNITY}/{device.kind}/{device.name}": device.name for device in devices}
        secrets = issue_secrets(
            connection, [Login(device.id, name) for device, name in zip(devices, names, strict=True)]
        )
    return {
        names[username]: (_url_of(publish_url, username, secret), username.replace("/", ":"))
        for username, secret in secrets.items()
    }


def _is_accepted(login: tuple[str, str]) -> bool:
    """Return whether the broker lets a meter in."""
    try:
        with Publisher(*login):
            return True
    except PublisherError:
        return False


def _url_of(publish_url: str, username: str, secret: str) -> str:
    """Return the URL of the broker with the account of a meter."""
    scheme, _, rest = publish_url.partition("://")
    return f"{scheme}://{quote(username, safe='')}:{secret}@{rest.rpartition('@')[2]}"
