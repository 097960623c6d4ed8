"""The door as a process: questions of the broker in, signed answers out."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from devices.broker_url import NATS, BrokerUrl
from door import metrics
from door.accounts import Account
from door.callout import SUBJECT, CalloutError, Question, Signer, read_question
from door.connections import end_connections, end_void_connections, store_bytes
from door.decision import Admission, Login
from door.follower import Follower, Reading
from door.gatekeeper import Gatekeeper
from door.guesses import LONGEST_DELAY_S
from door.http_service import serving_http
from door.nats_client import connect
from door.streams import StreamKeeper

log = structlog.get_logger()

_QUEUE = "door"
_INBOX = "_INBOX.door"
_RECONNECT_S = 0.25
# A login that was decided just before a change may be open only after the first look at the connections.
_LOOK_AGAIN_S = 2.0
# Refusals that wait at once; each is an open connection of the broker, too.
_MOST_REFUSALS = 5000
_LAST_ANSWERS_S = 3.0
_END_S = 4.0


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Settings of the door: `url` is `nats://door:secret@host:port`, `seed` the key that signs its answers.

    `http` is host and port for brokers that ask over HTTP; without a `url` only those ask. `simulators` and `observer`
    are the accounts of simulators and observers, if there may be any. `longest_delay_s` bounds the delay of a refusal.
    """

    database_url: str
    url: str
    seed: str
    partitions: int
    http: tuple[str, int] | None = None
    simulators: Account | None = None
    observer: Account | None = None
    longest_delay_s: float = LONGEST_DELAY_S


class Door:
    """Process that answers for all devices, from memory. Of several each question goes to one.

    Attributes:
        ready: set once the door answers.
    """

    def __init__(self, settings: DoorSettings) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ValueError: the URL or the key can't be used.
        """
        self._nats = (BrokerUrl.parse(settings.url, NATS), Signer(settings.seed)) if settings.url else None
        self._streams = StreamKeeper(self._nats[0], settings.seed, self._store_bytes) if self._nats else None
        self._http = settings.http
        self._follower = Follower(settings.database_url, self._take_in_loop)
        self._gatekeeper = Gatekeeper(
            partitions=settings.partitions,
            simulators=settings.simulators,
            observer=settings.observer,
            longest_delay_s=settings.longest_delay_s,
        )
        self._questions: asyncio.LifoQueue[tuple[float, Msg]] = asyncio.LifoQueue()
        self._answers: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set; the first answer waits until all logins are read."""
        self._stop = stop
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = Client()
        following = asyncio.create_task(asyncio.to_thread(self._follower.run, self._stop))
        stopped = asyncio.create_task(asyncio.to_thread(self._stop.wait))
        serving = asyncio.create_task(self._serve())
        try:
            done, _ = await asyncio.wait((stopped, following, serving), return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            metrics.READY.set(0)
            self._stop.set()
            # The service answers the last questions, and closes the connection that the other tasks use.
            await _end(self._tasks)
            await _end({serving})

    def _take_in_loop(self, reading: Reading | None) -> None:
        """Hand a part of the registry from the thread that reads it to the event loop, and wait until it is taken."""
        asyncio.run_coroutine_threadsafe(self._take(reading), self._loop).result()

    async def _take(self, reading: Reading | None) -> None:
        """Take over a part of the registry, and end the connections whose login is void by it."""
        self._gatekeeper.follows = reading is not None
        if reading is None:
            return
        void = self._gatekeeper.take(reading)
        if not self._nats:
            return  # a broker that asks over HTTP also asks for each message, or ends connections by itself
        if reading.anew:
            self._start(self._tasks, end_void_connections(self._client, self._gatekeeper.is_current))
        elif void:
            self._start(self._tasks, self._end_connections(void))

    async def _serve(self) -> None:
        """Answer all transports, until this task is cancelled."""
        await self._gatekeeper.known_after(float("-inf"))
        async with AsyncExitStack() as stack:
            if self._http:
                await stack.enter_async_context(serving_http(self._gatekeeper, *self._http))
            if self._nats:
                await stack.enter_async_context(self._answering(*self._nats))
            await self._begin()
            if self._streams:
                self._start(self._tasks, self._streams.run())
            await asyncio.Future()

    @asynccontextmanager
    async def _answering(self, broker: BrokerUrl, signer: Signer) -> AsyncIterator[None]:
        """Answer the questions of NATS that arrive during the block, including the last ones."""
        await connect(
            self._client,
            broker,
            name="anju door",
            inbox=_INBOX,
            retry_s=_RECONNECT_S,
            on_error=_log_error,
            on_loss=self._lose_broker,
            on_return=self._begin,
        )
        questions = await self._client.subscribe(SUBJECT, queue=_QUEUE, cb=self._receive)
        await self._client.flush()
        answering = asyncio.create_task(self._answer_all(signer))
        try:
            yield
        finally:
            with suppress(NatsError, TimeoutError):
                await asyncio.wait_for(self._answer_last(questions), _LAST_ANSWERS_S)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await self._client.close()

    async def _answer_last(self, questions: Subscription) -> None:
        """Take no more questions, and answer those that the broker has sent: it asks no other door about them."""
        await questions.drain()  # type: ignore[no-untyped-call]
        await self._questions.join()
        self._gatekeeper.answer_at_once()
        await asyncio.gather(*self._answers)
        await self._client.flush()

    async def _begin(self) -> None:
        """Note that the broker can ask, and look for connections of logins that became void meanwhile."""
        metrics.READY.set(1)
        self.ready.set()
        log.info("answering the broker", devices=len(self._gatekeeper.directory))
        if self._nats:
            self._start(self._tasks, end_void_connections(self._client, self._gatekeeper.is_current))

    async def _lose_broker(self) -> None:
        metrics.READY.set(0)
        if not self._stop.is_set():
            log.warning("the broker is away, trying to reach it", broker=str(self._nats[0]) if self._nats else "")

    async def _end_connections(self, names: set[str]) -> None:
        for pause_s in (0.0, _LOOK_AGAIN_S):
            await asyncio.sleep(pause_s)
            if ended := await end_connections(self._client, names):
                log.info("ended connections of void logins", connections=ended)

    async def _receive(self, message: Msg) -> None:
        self._questions.put_nowait((time.monotonic(), message))

    async def _answer_all(self, signer: Signer) -> None:
        """Answer for ever. When more ask than can be answered, the newest come first: the others are gone by then."""
        while True:
            received_at, message = await self._questions.get()
            try:
                await self._answer(signer, message, received_at)
            except NatsError as error:
                await _log_error(error)
            except Exception:
                log.exception("a login can't be answered")  # and the next ones can
            finally:
                self._questions.task_done()
            await asyncio.sleep(0)

    async def _answer(self, signer: Signer, message: Msg, received_at: float) -> None:
        """Answer a question. One that memory does not accept takes its time, and later ones do not wait for it."""
        try:
            question = read_question(message.data)
        except CalloutError as error:
            metrics.LOGINS.labels("unreadable").inc()
            log.warning("a login can't be read", reason=str(error))
            return
        if time.monotonic() - received_at >= question.limit_s:
            metrics.LOGINS.labels("too_late").inc()
        elif admission := self._admit(question.login):
            await message.respond(signer.accept(question, admission))
        elif len(self._answers) < _MOST_REFUSALS:
            self._start(self._answers, self._answer_later(signer, message, question))
        else:
            metrics.LOGINS.labels("unanswered").inc()  # the broker refuses it after its own time limit

    def _admit(self, login: Login) -> Admission | None:
        return (self._streams and self._streams.admit(login)) or self._gatekeeper.admit(login)

    async def _store_bytes(self) -> int | None:
        return await store_bytes(self._client)

    async def _answer_later(self, signer: Signer, message: Msg, question: Question) -> None:
        decision = await self._gatekeeper.decide(question.login)
        if isinstance(decision, Admission):
            await message.respond(signer.accept(question, decision))
        else:
            await message.respond(signer.refuse(question, decision))

    def _start(self, tasks: set[asyncio.Task[None]], work: Coroutine[object, object, object]) -> None:
        """Let something go on beside the loop of the answers, as one of the tasks; its failure is logged."""

        async def go_on() -> None:
            try:
                await work
            except Exception:
                log.exception("a task of the door failed")

        task = asyncio.create_task(go_on())
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended, but not for ever."""
    for task in tasks:
        task.cancel()
    ended, _ = await asyncio.wait(tasks, timeout=_END_S) if tasks else (set(), None)
    await asyncio.gather(*ended, return_exceptions=True)


async def _log_error(error: Exception) -> None:
    log.warning("the connection to the broker failed", error=str(error))
