"""Thousands of devices, each with a connection and a last will of its own, that connect and vanish all at once."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Sequence

import workload
from devices.broker_url import BrokerUrl
from logged_publisher import Acknowledged
from mqtt_packets import CONNACK, PUBACK, answers, connect, publish
from running import epoch_ms

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_AT_ONCE = 500


class Crowd:
    """Devices w0, w1, ... of the workload's community, each with its own login.

    `log` and `sent` are those of a publisher.
    """

    def __init__(self, url: str, secrets: Sequence[str]) -> None:
        """Prepare; `secrets` are those of the devices, and the account in the URL is ignored."""
        self.log: list[Acknowledged] = []
        self.sent = 0
        self._address = BrokerUrl.parse(url)
        self._secrets = secrets
        self._connected: list[asyncio.StreamWriter] = []

    async def come(self) -> None:
        """Connect all devices; each publishes its retained state `online` and a reading."""
        gate = asyncio.Semaphore(_AT_ONCE)
        self._connected = await asyncio.gather(*(self._come(n, gate) for n in range(len(self._secrets))))

    async def _come(self, n: int, gate: asyncio.Semaphore) -> asyncio.StreamWriter:
        address, status = self._address, workload.topic(n, "status")
        will = (status, b'{"state": "offline"}')
        async with gate:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            username = f"{workload.COMMUNITY}/{workload.KIND}/w{n}"
            writer.write(connect(username.replace("/", ":"), username, self._secrets[n], will=will))
            await _answer(reader, (CONNACK, 0))
            ts = epoch_ms()
            messages = [
                (status, json.dumps({"state": "online", "ts": ts}).encode()),
                (workload.topic(n), json.dumps(workload.reading(ts, volume_m3=float(n))).encode()),
            ]
            for number, message in enumerate(messages, start=1):
                self.sent += 1
                writer.write(publish(*message, number, retain=number == 1))
            for number, message in enumerate(messages, start=1):
                await _answer(reader, (PUBACK, number))
                self.log.append(Acknowledged(*message, time.time()))
        return writer

    def vanish(self) -> None:
        """Break every connection at once, without a goodbye, so that the broker sends the last wills."""
        for writer in self._connected:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    def give_up(self) -> None:
        """Do nothing: a crowd has no thread to end."""


async def _answer(reader: asyncio.StreamReader, wanted: tuple[int, int]) -> None:
    assert list(answers(bytearray(await reader.readexactly(4)))) == [wanted]
