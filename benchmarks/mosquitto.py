"""Mosquitto, to compare NATS Server with: it acknowledges a message before it stores it."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.foreign_broker import check_login, need_one_partition
from local.binaries import private_prefix
from local.brokers.broker import PREFERRED_MQTT_PORT, Account, Broker, Place, open_accounts
from local.prefix import Bundle
from local.process import Part
from local.users import private_directory, write_private

SERVER = "usr/sbin/mosquitto"
BUNDLE = Bundle(
    "-mosquitto",
    ("mosquitto", "mosquitto-clients"),
    (SERVER, "usr/bin/mosquitto_sub"),
    "Mosquitto",
    24,
)

# Reasons of the settings:
#   autosave_interval    seconds between two copies of everything to disk, the shortest possible: messages since the
#                        last copy are lost with kill -9. `autosave_on_changes` copies everything for each message.
#   max_queued_messages  0 is no limit; with its default it drops acknowledged messages once 1,000 wait for a session.
#   max_inflight_messages  as many as NATS Server is allowed.
CONFIGURATION = """\
# Written by Anju at every start.
listener {port} 127.0.0.1
allow_anonymous false
password_file passwords
acl_file access
persistence true
persistence_location store/
autosave_interval 1
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 30000
connection_messages false
log_dest stderr
"""
HASH_ROUNDS = 101  # as in mosquitto_passwd; the passwords are random, so more rounds gain nothing


def find_mosquitto(progress: Callable[[str], None]) -> Path:
    """Return the server of Debian 13, always from a private prefix of its own; `mosquitto_sub` is in its `usr/bin`."""
    return private_prefix(BUNDLE, progress) / SERVER


def open_mosquitto(place: Place) -> Broker:
    """Prepare one Mosquitto.

    Raises:
        LocalError: Mosquitto cannot be fetched, or several partitions are asked for; the message names the remedy.
    """
    need_one_partition("Mosquitto", place)
    accounts = open_accounts(place)
    port = place.ports.claim("mqtt", PREFERRED_MQTT_PORT)
    program = find_mosquitto(place.progress)
    folder = private_directory(place.folder / "mosquitto", place.user)
    private_directory(folder / "store", place.user)
    for name, text in (
        ("mosquitto.conf", CONFIGURATION.format(port=port)),
        (
            "passwords",
            "".join(
                f"{account.name}:{hash_password(account.password, secrets.token_bytes(12))}\n" for account in accounts
            ),
        ),
        ("access", "\n".join(map(access_rules, accounts))),
    ):
        write_private(folder / name, text, place.user)
    part = Part(
        name="broker",
        argv=(str(program), "-c", "mosquitto.conf"),
        check_ready=partial(check_login, "Mosquitto", port, accounts.reader),
        cwd=folder,
        env={},
        user=place.user,
    )
    return Broker("Mosquitto", accounts, (port,), (part,))


def hash_password(password: str, salt: bytes) -> str:
    """Return the entry of a password in Mosquitto's password file: PBKDF2 with SHA-512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    return f"$7${HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def access_rules(account: Account) -> str:
    """Return the paragraph of an account in the access list.

    A forbidden publish is acknowledged and a forbidden subscription granted, but nothing is delivered.
    """
    write = [f"topic write {topic}\n" for topic in account.write]
    read = [f"topic read {topic}\n" for topic in account.read]
    return "".join((f"user {account.name}\n", *write, *read))
