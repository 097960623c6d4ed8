"""TCP proxy with a network that can be cut, stalled or slowed down under open connections."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from patience import patient

_CHUNK = 16 * 1024


class Proxy:
    """Forwards connections to `port` of 127.0.0.1 to its target, under conditions that change at any time.

    Each chunk of up to 16 KiB, in either direction, waits for `delay_s`, which limits the throughput too.
    A stalled network forwards nothing and closes nothing: neither side notices. A cut one refuses connections.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.delay_s = 0.0
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        self.mend()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._cut())

    def mend(self) -> None:
        """Accept connections, and forward everything."""
        self._do(self._mend())

    def stall(self) -> None:
        """Forward nothing, and close nothing."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def forget(self) -> None:
        """Never forward anything again for open connections, and serve new ones, as after a power cut."""
        self._do(self._forget())

    def stop(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(patient(10))

    async def _cut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _mend(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _forget(self) -> None:
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            with suppress(OSError):
                await self._join(reader, writer)
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ways = [asyncio.ensure_future(self._pass_on(*way)) for way in ((reader, there_writer), (there_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            there_writer.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        flowing = self._flowing
        while chunk := await source.read(_CHUNK):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await flowing.wait()
            sink.write(chunk)
            await sink.drain()


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy before the server of the URL for the block; also gives the URL that leads through it."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    proxy = Proxy(address.hostname, address.port)
    proxy.start()
    try:
        login = address.netloc.rpartition("@")[0]
        yield proxy, address._replace(netloc=f"{login}@127.0.0.1:{proxy.port}").geturl()
    finally:
        proxy.stop()
