"""Open connections at the broker, found and ended through the system account of NATS.

Their names are those of `Directory.connection_name`. Static accounts have no "#" in their name and are left alone.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from door import metrics
from door.callout import ACCOUNT

_ALL_NODES = "PING"
_LIST_SUBJECT = "$SYS.REQ.SERVER.{}.CONNZ"
_END_SUBJECT = "$SYS.REQ.SERVER.{}.KICK"
_STORE_SUBJECT = "$SYS.REQ.SERVER.PING.JSZ"
_ANSWER_S = 0.5
_PAGE = 1000


class _Node(msgspec.Struct):
    id: str


class _Connection(msgspec.Struct):
    cid: int
    authorized_user: str = ""


class _Connections(msgspec.Struct):
    total: int
    connections: list[_Connection]


class _Page(msgspec.Struct):
    server: _Node
    data: _Connections


class _StoreConfig(msgspec.Struct):
    max_storage: int = 0


class _Store(msgspec.Struct):
    config: _StoreConfig


class _StorePage(msgspec.Struct):
    data: _Store


_decoder = msgspec.json.Decoder(_Page)
_store_decoder = msgspec.json.Decoder(_StorePage)


async def end_connections(client: Client, names: Iterable[str]) -> int:
    """End the open connections of these names at all nodes; return how many there were."""
    questions = [{"auth": True, "user": name} for name in names]
    return await _end(client, _pages(client, _ALL_NODES, questions), lambda _name: False)


async def end_void_connections(client: Client, is_current: Callable[[str], bool]) -> int:
    """End the open connections of which `is_current` denies the name, at all nodes; return how many there were."""
    ended = 0
    totals = {page.server.id: page.data.total async for page in _pages(client, _ALL_NODES, [{"limit": 1}])}
    for node, total in totals.items():
        # From the newest to the oldest: a connection that ends meanwhile moves others to a page that is still to come.
        for offset in range(total - total % _PAGE, -1, -_PAGE):
            question = {"auth": True, "acc": ACCOUNT, "offset": offset, "limit": _PAGE}
            ended += await _end(client, _pages(client, node, [question], nodes=1), is_current)
    return ended


async def store_bytes(client: Client) -> int | None:
    """Return the size of the broker's store, of several nodes the smallest; None if no node tells it."""
    answers = [_store_decoder.decode(data) async for data in _answers(client, _STORE_SUBJECT, [{}])]
    return min((answer.data.config.max_storage for answer in answers if answer.data.config.max_storage), default=None)


async def _end(client: Client, pages: AsyncIterator[_Page], is_current: Callable[[str], bool]) -> int:
    ended = 0
    async for page in pages:
        for connection in page.data.connections:
            if "#" in connection.authorized_user and not is_current(connection.authorized_user):
                command, subject = msgspec.json.encode({"cid": connection.cid}), _END_SUBJECT.format(page.server.id)
                await client.publish(subject, command, reply=client.new_inbox())  # ignored without one
                ended += 1
    metrics.DISCONNECTED.inc(ended)
    return ended


async def _pages(
    client: Client, node: str, questions: list[dict[str, object]], *, nodes: int | None = None
) -> AsyncIterator[_Page]:
    """Yield the answers to questions about connections."""
    async for data in _answers(client, _LIST_SUBJECT.format(node), questions, nodes=nodes):
        yield _decoder.decode(data)


async def _answers(
    client: Client, subject: str, questions: list[dict[str, object]], *, nodes: int | None = None
) -> AsyncIterator[bytes]:
    """Yield the answers of the nodes; without their number, until no more come."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    expected = None if nodes is None else nodes * len(questions)
    try:
        for question in questions:
            await client.publish(subject, msgspec.json.encode(question), reply=inbox)
        while expected is None or expected > 0:
            try:
                message = await answers.next_msg(timeout=_ANSWER_S)
            except TimeoutError:
                return
            expected = None if expected is None else expected - 1
            yield message.data
    finally:
        with suppress(NatsError):  # the end of the connection, or of the task that uses it, is told by itself
            await answers.unsubscribe()
