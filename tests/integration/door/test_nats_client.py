"""Connections of the door to a broker that accepts them and says nothing."""

import asyncio

from nats.aio.client import Client

from devices.broker_url import NATS, BrokerUrl
from door.nats_client import connect
from patience import patient


def test_a_cancelled_attempt_leaves_no_connection_open():
    async def run() -> None:
        accepted, closed = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set()
            await reader.read()
            writer.close()
            closed.set()

        async def note(_error: Exception) -> None:
            """Expect nothing of it."""

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            broker = BrokerUrl.parse(f"nats://door:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}", NATS)
            client = Client()
            attempt = asyncio.create_task(
                connect(client, broker, name="test", inbox="_INBOX.test", retry_s=1, on_error=note)
            )
            async with asyncio.timeout(patient(20)):
                await accepted.wait()
                while not client._transport:  # noqa: ASYNC110, SLF001  it has no event for that
                    await asyncio.sleep(0.02)
                attempt.cancel()
                await asyncio.wait({attempt})
                await closed.wait()
            assert attempt.cancelled()

    asyncio.run(run())
