"""RabbitMQ with its MQTT plugin, to compare NATS Server with: one node, and Erlang's name service that it needs."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from benchmarks.foreign_broker import check_login, need_one_partition
from local.binaries import private_prefix
from local.brokers.broker import PREFERRED_MQTT_PORT, Account, Accounts, Broker, Place, open_accounts
from local.prefix import Bundle
from local.process import Part
from local.users import as_seen_from_inside, private_directory, write_private

PREFERRED_EPMD_PORT = 4369
PREFERRED_DISTRIBUTION_PORT = 25672

BUNDLE = Bundle(
    "-rabbitmq",
    ("rabbitmq-server",),
    (
        *(f"usr/lib/erlang/erts-*/bin/{name}" for name in ("beam.smp", "epmd", "erl_child_setup", "inet_gethost")),
        *(f"usr/lib/erlang/lib/os_mon-*/priv/bin/{name}" for name in ("cpu_sup", "memsup")),
    ),
    "RabbitMQ with Erlang",
    78,
)

# Reasons of the settings:
#   max_session_expiry_interval_seconds  a day is the default, after which the session of an ingest that is away is gone
#                                        with all its messages.
#   prefetch                             as many messages in flight as NATS Server is allowed; the default is 10.
CONFIGURATION = """\
# Written by Anju at every start.
listeners.tcp = none
mqtt.listeners.tcp.1 = 127.0.0.1:{port}
mqtt.allow_anonymous = false
mqtt.max_session_expiry_interval_seconds = infinity
mqtt.prefetch = 30000
load_definitions = {folder}/definitions.json
log.file = false
log.console = true
log.console.level = warning
"""
# Runs the name service ($0) for as long as the server, which has to find it at its start.
START = """\
"$0" & names=$!
until "$0" -names > /dev/null 2>&1; do sleep 0.1; done
"$@" & server=$!
trap 'kill $server' TERM
wait $server
wait $server
kill $names
"""


def find_rabbitmq(progress: Callable[[str], None]) -> Path:
    """Return the private prefix with RabbitMQ of Debian 13 and its Erlang."""
    return private_prefix(BUNDLE, progress)


def open_rabbitmq(place: Place) -> Broker:
    """Prepare one RabbitMQ.

    Raises:
        LocalError: RabbitMQ cannot be fetched, or several partitions are asked for; the message names the remedy.
    """
    need_one_partition("RabbitMQ", place)
    accounts = open_accounts(place)
    prefix = find_rabbitmq(place.progress)
    port = place.ports.claim("mqtt", PREFERRED_MQTT_PORT)
    epmd_port = place.ports.claim("epmd", PREFERRED_EPMD_PORT)
    distribution_port = place.ports.claim("distribution", PREFERRED_DISTRIBUTION_PORT)
    folder = private_directory(place.folder / "rabbitmq", place.user)
    inside = as_seen_from_inside(folder, place.user)
    private_directory(folder / "store", place.user)
    for name, text in (
        ("rabbitmq.conf", CONFIGURATION.format(port=port, folder=inside)),
        ("enabled_plugins", "[rabbitmq_mqtt].\n"),
        ("definitions.json", definitions(accounts)),
    ):
        write_private(folder / name, text, place.user)
    part = Part(
        name="broker",
        argv=("/bin/sh", "-c", START, *_command(prefix, inside, epmd_port, distribution_port)),
        check_ready=partial(check_login, "RabbitMQ", port, accounts.reader),
        cwd=folder,
        env=_environment(prefix, inside, epmd_port, distribution_port),
        user=place.user,
    )
    return Broker("RabbitMQ", accounts, (port,), (part,))


def definitions(accounts: Accounts) -> str:
    """Return the accounts as JSON to import into RabbitMQ. A forbidden publish ends the connection."""
    everywhere = {"vhost": "/"}
    return json.dumps(
        {
            "vhosts": [{"name": "/"}],
            "users": [
                {
                    "name": account.name,
                    "password_hash": hash_password(account.password, secrets.token_bytes(4)),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": [],
                }
                for account in accounts
            ],
            "permissions": [{"user": account.name, **everywhere, **_permission(account)} for account in accounts],
            "topic_permissions": [
                {
                    "user": account.name,
                    **everywhere,
                    "exchange": "amq.topic",
                    "write": _topic_pattern(account.write),
                    "read": _topic_pattern(account.read),
                }
                for account in accounts
            ],
        }
    )


def hash_password(password: str, salt: bytes) -> str:
    """Return the stored form of a password in RabbitMQ: SHA-256 behind four bytes of salt."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _permission(account: Account) -> dict[str, str]:
    """Return the permissions of an account: a reader creates the queue of its session, a writer needs the exchange."""
    if account.read:
        queue = "^mqtt-subscription-"
        return {"configure": queue, "write": queue, "read": f"{queue}|^amq\\.topic$"}
    return {"configure": "^$", "write": "^amq\\.topic$", "read": "^$"}


def _topic_pattern(topics: Iterable[str]) -> str:
    """Return a regular expression of the routing keys below topic filters; without a filter it matches no key."""
    keys = [topic.removesuffix("/#").replace("/", ".") for topic in topics]
    return "|".join(f"^{re.escape(key)}(\\.|$)" for key in keys) or "^$"


def _command(prefix: Path, inside: Path, epmd_port: int, distribution_port: int) -> tuple[str, ...]:
    """Return the command of the name service, and that of the server as Erlang's launcher would start it."""
    root = prefix / "usr/lib/erlang"
    programs = next(root.glob("erts-*")) / "bin"
    return (
        *(str(programs / "epmd"), str(programs / "beam.smp"), "-W", "w", "-P", "1048576", "--"),
        *("-root", str(root), "-bindir", str(programs), "-progname", "erl", "--", "-home", str(inside), "--"),
        *("-noinput", "-boot", "start_sasl", "-s", "rabbit", "boot"),
        *("-start_epmd", "false", "-epmd_port", str(epmd_port)),
        *("-kernel", "inet_dist_use_interface", "{127,0,0,1}"),
        *("-kernel", "inet_dist_listen_min", str(distribution_port)),
        *("-kernel", "inet_dist_listen_max", str(distribution_port)),
    )


def _environment(prefix: Path, inside: Path, epmd_port: int, distribution_port: int) -> dict[str, str]:
    root = prefix / "usr/lib/erlang"
    plugins = next(prefix.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")) / "plugins"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(inside),
        "ROOTDIR": str(root),
        "BINDIR": str(next(root.glob("erts-*")) / "bin"),
        "EMU": "beam",
        "PROGNAME": "erl",
        "ERL_LIBS": str(plugins),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # For the check before the start, which ignores the ports in Erlang's arguments.
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_NODENAME": "anju@localhost",
        "RABBITMQ_HOME": str(plugins.parent),
        "RABBITMQ_PLUGINS_DIR": str(plugins),
        "RABBITMQ_CONFIG_FILE": f"{inside}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{inside}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": f"{inside}/store",
        "RABBITMQ_FEATURE_FLAGS_FILE": f"{inside}/feature_flags",
        "RABBITMQ_GENERATED_CONFIG_DIR": f"{inside}/generated",
        "RABBITMQ_PID_FILE": f"{inside}/pid",
        "RABBITMQ_LOG_BASE": str(inside),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    }
