"""Logins of devices at once, and the memory of the door: `python -m benchmarks.logins [CONNECTIONS [DEVICES]]`.

By default 10,000 of 400,000 registered devices connect at the same moment, each with its secret, and try again as a
device does where the broker had no answer in time. Goals: all are in within 20 s on two cores, and the door has under
200 MB.
"""

import errno
import os
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.installation import Installation, installation
from benchmarks.packets import connect
from benchmarks.processes import cpu_s, resident_bytes
from benchmarks.traffic import KIND, community, registry
from devices.broker_url import BrokerUrl
from store.database import connect as connect_to_database
from store.registry.secrets import Login, issue_secrets

_READY_S = 120.0
_RETRY_S = 1.0
_GIVE_UP_S = 300.0
_SPARE_FILES = 100
_ACCEPTED = b"\x20\x02\x00\x00"


def main(connections: int = 10_000, devices: int = 400_000) -> None:
    """Measure, print, and write the table into docs/performance.md."""
    _allow_files(connections + _SPARE_FILES)
    rows = []
    with installation(registry(devices)) as anju:
        logins = _logins(anju, connections)
        for doors in (1, 2):
            with _doors(anju, doors) as (pids, ready_s):
                before = [cpu_s(pid) for pid in (anju.services.broker.pid, *pids)]
                seconds, refused = _connect_all(anju.services.mqtt_url, logins)
                used = [cpu_s(pid) - cpu for pid, cpu in zip((anju.services.broker.pid, *pids), before, strict=True)]
                rows.append(
                    (
                        str(doors),
                        f"{ready_s:.1f}",
                        f"{max(map(resident_bytes, pids)) / 1e6:.0f}",
                        f"{seconds:.1f}",
                        f"{connections / seconds:,.0f}",
                        f"{refused:,}",
                        f"{used[0] / connections * 1e6:,.0f}",
                        f"{sum(used[1:]) / connections * 1e6:,.0f}",
                    )
                )
    head = (
        "doors", "s until ready", "MB a door", "s until all are in", "logins/s", "tried again", "broker us a login",
        "door us a login",
    )  # fmt: skip
    text = f"{connections:,} of {devices:,} registered devices log in at once. {report.machine()}.\n\n"
    report.publish("benchmarks.logins", text + report.table(head, rows))


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def _logins(anju: Installation, count: int) -> list[bytes]:
    """Give devices secrets; return the CONNECT of each."""
    names = [f"{community(n)}/{KIND}/d{n}" for n in range(count)]
    with closing(connect_to_database(anju.services.database_url, application_name="benchmark")) as connection:
        ids = dict(connection.execute("SELECT community || '/' || kind || '/' || name, id FROM device").fetchall())
        secrets = issue_secrets(connection, [Login(ids[name], name) for name in names])
        connection.commit()
    return [connect(name.replace("/", ":"), name, secret, clean=True) for name, secret in secrets.items()]


@contextmanager
def _doors(anju: Installation, count: int) -> Iterator[tuple[list[int], float]]:
    """Run doors; yield their process ids, and the seconds until the last of them answered the broker."""
    processes, ports, began = [], range(anju.metrics_port, anju.metrics_port + count), time.monotonic()
    with tempfile.TemporaryFile() as log:
        for port in ports:
            environment = {
                **{key: value for key, value in os.environ.items() if not key.startswith("ANJU_")},
                "ANJU_DATABASE_URL": anju.services.database_url,
                "ANJU_DOOR_URL": anju.services.door_url,
                "ANJU_DOOR_SEED": anju.services.door_seed,
                "ANJU_METRICS_PORT": str(port),
            }
            command = (str(Path(sys.executable).with_name("anju")), "door")
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))  # noqa: S603 - ours
        try:
            while not all(map(_is_ready, ports)):
                if time.monotonic() - began > _READY_S:
                    log.seek(0)
                    raise TimeoutError(f"the doors are not ready: {log.read().decode()[-2000:]}")
                time.sleep(0.1)
            yield [process.pid for process in processes], time.monotonic() - began
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            return b"\nanju_door_ready 1.0" in answer.read()
    except OSError:
        return False


def _connect_all(url: str, logins: list[bytes]) -> tuple[float, int]:
    """Log all devices in at once; return the seconds until the last is in, and the number of further tries.

    Raises:
        TimeoutError: not all are in after five minutes.
    """
    address = BrokerUrl.parse(url).addresses[0]
    connected, again, tries = [], deque[tuple[float, bytes]](), -len(logins)
    with selectors.DefaultSelector() as selector:
        began = time.monotonic()
        again.extend((began, login) for login in logins)
        while len(connected) < len(logins):
            now = time.monotonic()
            if now - began > _GIVE_UP_S:
                raise TimeoutError(f"{len(connected)} of {len(logins)} devices are in after {_GIVE_UP_S:.0f} s")
            while again and again[0][0] <= now:
                login = again.popleft()[1]
                tries += 1
                selector.register(_start(address), selectors.EVENT_WRITE, login)
            for key, _ in selector.select(0.05):
                stream, login = key.fileobj, key.data
                assert isinstance(stream, socket.socket)  # noqa: S101 - only sockets are registered
                if key.events == selectors.EVENT_WRITE:
                    if _send(stream, login):
                        selector.modify(stream, selectors.EVENT_READ, login)
                        continue
                elif _receive(stream) == _ACCEPTED:
                    selector.unregister(stream)
                    connected.append(stream)
                    continue
                selector.unregister(stream)
                stream.close()
                again.append((time.monotonic() + _RETRY_S, login))
        seconds = time.monotonic() - began
    for stream in connected:
        stream.close()
    return seconds, tries


def _start(address: tuple[str, int]) -> socket.socket:
    stream = socket.socket()
    stream.setblocking(False)
    if stream.connect_ex(address) not in {0, errno.EINPROGRESS}:
        stream.close()
        raise ConnectionError(f"no connection to {address}")
    return stream


def _send(stream: socket.socket, login: bytes) -> bool:
    """Send CONNECT; return False if the connection failed."""
    try:
        return stream.send(login) == len(login)
    except OSError:
        return False


def _receive(stream: socket.socket) -> bytes:
    """Return the answer; empty if the connection was closed."""
    try:
        return stream.recv(4)
    except OSError:
        return b""


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
