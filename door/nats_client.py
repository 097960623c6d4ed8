"""Connections of the door by NATS's own protocol."""

from collections.abc import Awaitable, Callable

from nats.aio.client import Client

from devices.broker_url import BrokerUrl


async def connect(
    client: Client,
    broker: BrokerUrl,
    *,
    name: str,
    inbox: str,
    retry_s: float,
    on_error: Callable[[Exception], Awaitable[None]],
    on_loss: Callable[[], Awaitable[None]] | None = None,
    on_return: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Connect to any node of the broker; where none can be reached, try again until one can.

    Args:
        client: the client to connect.
        broker: the nodes and the account.
        name: the name of the connection, for operators.
        inbox: the prefix of the subjects for answers.
        retry_s: the pause between two attempts, in seconds.
        on_error: called with each error of the connection.
        on_loss: called when the connection ends.
        on_return: called when there is another one.
    """
    scheme = "tls" if broker.tls else "nats"
    try:
        await client.connect(
            servers=[f"{scheme}://{address}" for address in broker.addresses],
            tls=broker.tls_context() if broker.tls else None,
            user=broker.username,
            password=broker.password,
            name=name,
            inbox_prefix=inbox,
            max_reconnect_attempts=-1,
            reconnect_time_wait=retry_s,  # type: ignore[arg-type]  # for asyncio.sleep
            error_cb=on_error,
            disconnected_cb=on_loss,
            reconnected_cb=on_return,
        )
    except BaseException:
        await client.close()  # a cancelled attempt leaves a socket open
        raise
