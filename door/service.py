"""The door as a process: questions of the broker in, signed answers out."""

import asyncio
import ssl
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from devices.broker_url import NATS, BrokerUrl
from door import metrics
from door.callout import SUBJECT, CalloutError, Question, Signer, read_question
from door.connections import end_connections, end_void_connections
from door.decision import Admission, Login, Refusal, decide, is_username
from door.directory import Directory
from door.follower import Follower, Reading
from door.guesses import LONGEST_DELAY_S, Guesses
from door.simulators import SimulatorAccount, admit_simulators, refuse_simulator

log = structlog.get_logger()

_QUEUE = "door"
_INBOX = "_INBOX.door"
_RECONNECT_S = 0.25
# A refusal waits for a reading of the registry that began after the login: the device may just have been registered.
_FRESH_S = 1.5
# A login that was decided just before a change may be open only after the first look at the connections.
_LOOK_AGAIN_S = 2.0
# Refusals that wait at once; each is an open connection of the broker, too.
_MOST_REFUSALS = 5000
_LAST_READING_S = 3.0
_LAST_ANSWERS_S = 2.0


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Settings of the door: `url` is `nats://door:secret@host:port`, `seed` the key that signs its answers.

    `simulators` is the account of simulators, if there may be any. `longest_delay_s` bounds the delay of a refusal.
    """

    database_url: str
    url: str
    seed: str
    partitions: int
    simulators: SimulatorAccount | None = None
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
        self._settings = settings
        self._broker = BrokerUrl.parse(settings.url, NATS)
        self._signer = Signer(settings.seed)
        self._directory = Directory()
        self._registry = Freshness()
        self._simulators: Admission | Refusal | None = None
        self._simulator_names: set[str] = set()
        self._guesses = Guesses(settings.longest_delay_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set; the first answer waits until all logins are read."""
        self._stop = stop
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        loop = asyncio.get_running_loop()

        def take(reading: Reading) -> None:
            if not loop.is_closed():
                asyncio.run_coroutine_threadsafe(self._take(reading), loop).result()

        self._client = Client()
        self._follower = Follower(self._settings.database_url, take)
        following = threading.Thread(target=self._follower.run, args=(stop,), name="follower", daemon=True)
        following.start()
        stopped = asyncio.create_task(asyncio.to_thread(stop.wait))
        serving = asyncio.create_task(self._serve())
        await asyncio.wait((stopped, serving), return_when=asyncio.FIRST_COMPLETED)
        metrics.READY.set(0)
        if serving.done():
            serving.result()
        for task in (serving, *self._tasks):
            task.cancel()
        await asyncio.gather(serving, *self._tasks, return_exceptions=True)
        await self._client.close()
        await asyncio.to_thread(following.join, _LAST_READING_S)

    async def _serve(self) -> None:
        """Connect and answer, until this task is cancelled."""
        await self._registry.known_after(float("-inf"))
        scheme = "tls" if self._broker.tls else "nats"
        await self._client.connect(
            servers=[f"{scheme}://{address}" for address in self._broker.addresses],
            tls=ssl.create_default_context() if self._broker.tls else None,
            user=self._broker.username,
            password=self._broker.password,
            name="anju door",
            inbox_prefix=_INBOX,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT_S,  # type: ignore[arg-type]  # for asyncio.sleep
            error_cb=_log_error,
            disconnected_cb=self._lose_broker,
            reconnected_cb=self._begin,
        )
        questions = await self._client.subscribe(SUBJECT, queue=_QUEUE, cb=self._answer)
        await self._client.flush()
        await self._begin()
        try:
            await asyncio.Future()
        finally:
            # The questions that this door already has are answered before it leaves.
            with suppress(NatsError, TimeoutError):
                await asyncio.wait_for(questions.drain(), _LAST_ANSWERS_S)  # type: ignore[no-untyped-call]

    async def _begin(self) -> None:
        """Note that the broker is there, and look for connections of logins that became void meanwhile."""
        metrics.READY.set(1)
        self.ready.set()
        log.info("answering the broker", devices=len(self._directory))
        self._start(end_void_connections(self._client, self._is_current))

    async def _lose_broker(self) -> None:
        metrics.READY.set(0)
        if not self._stop.is_set():
            log.warning("the broker is away, trying to reach it", broker=str(self._broker))

    async def _take(self, reading: Reading) -> None:
        """Take over a part of the registry, and end the connections whose login is void by it."""
        if reading.anew:
            self._directory.clear()
            self._start(end_void_connections(self._client, self._is_current))
        void = self._directory.apply(reading.rows)
        self._simulators = None if reading.rows or reading.anew else self._simulators
        if reading.complete_at is not None and self._simulators is None:
            void |= {name for name in tuple(self._simulator_names) if not self._is_current(name)}
            self._simulator_names -= void
        if void:
            self._start(self._end_connections(void))
        if reading.complete_at is not None:
            metrics.DEVICES.set(len(self._directory))
            self._registry.note(reading.complete_at)

    async def _end_connections(self, names: set[str]) -> None:
        for pause_s in (0.0, _LOOK_AGAIN_S):
            await asyncio.sleep(pause_s)
            if ended := await end_connections(self._client, names):
                log.info("ended connections of void logins", connections=ended)

    async def _answer(self, message: Msg) -> None:
        """Answer a question. A refusal takes its time, and later questions do not wait for it."""
        try:
            question = read_question(message.data)
        except CalloutError as error:
            metrics.LOGINS.labels("unreadable").inc()
            log.warning("a login can't be read", reason=str(error))
            return
        if question.expires_at <= time.time():
            metrics.LOGINS.labels("too_late").inc()
            return
        decision = self._decide(question)
        if isinstance(decision, Admission) and not self._is_simulator(question.login):
            await self._accept(message, question, decision)
        elif len(self._tasks) < _MOST_REFUSALS:
            self._start(self._answer_by_registry(message, question))
        else:
            metrics.LOGINS.labels("unanswered").inc()  # the broker refuses it after its own time limit

    async def _accept(self, message: Msg, question: Question, admission: Admission) -> None:
        metrics.LOGINS.labels("accepted").inc()
        await message.respond(self._signer.accept(question, admission))

    async def _answer_by_registry(self, message: Msg, question: Question) -> None:
        """Answer by the newest registry a login that memory refuses, or one of simulators, which real devices limit."""
        if self._follower.following:
            await self._registry.known_after(time.monotonic(), timeout_s=_FRESH_S)
        decision = self._decide(question)
        if isinstance(decision, Admission):
            await self._accept(message, question, decision)
            return
        metrics.LOGINS.labels(decision.name.lower()).inc()
        await asyncio.sleep(self._report(question.login, decision))
        await message.respond(self._signer.refuse(question, decision))

    def _report(self, login: Login, refusal: Refusal) -> float:
        """Count a refusal, write a line about it unless there are too many, and return its delay in seconds."""
        username = login.certificate or login.username
        is_registered = username in self._directory
        refused = self._guesses.refuse(username if is_registered else "", login.address, time.monotonic())
        if refused.is_reported:
            log.warning(
                "refused a login",
                # Another text may be a secret in the wrong place.
                user=username if is_registered or is_username(username) else None,
                address=login.address,
                reason=str(refusal),
                times_of_user=refused.device,
                times_of_address=refused.address,
            )
        return refused.delay_s if refusal.is_guess else 0.0

    def _decide(self, question: Question) -> Admission | Refusal:
        login, account = question.login, self._settings.simulators
        if account and self._is_simulator(login):
            return refuse_simulator(login, account) or self._admit_simulators(account)
        return decide(login, self._directory, partitions=self._settings.partitions)

    def _is_simulator(self, login: Login) -> bool:
        account = self._settings.simulators
        return account is not None and login.username == account.username and not login.certificate

    def _admit_simulators(self, account: SimulatorAccount) -> Admission | Refusal:
        """Return what simulators may publish, which takes a look at all devices after each change."""
        if self._simulators is None:
            self._simulators = admit_simulators(account, self._directory, partitions=self._settings.partitions)
        if isinstance(self._simulators, Admission):
            self._simulator_names.add(self._simulators.name)
        return self._simulators

    def _is_current(self, connection_name: str) -> bool:
        """Return whether the login that opened a connection still stands, with the same permissions."""
        account = self._settings.simulators
        if account is None or not account.is_connection(connection_name):
            return self._directory.is_current(connection_name)
        admission = self._admit_simulators(account)
        return isinstance(admission, Admission) and admission.name == connection_name

    def _start(self, work: Coroutine[object, object, object]) -> None:
        """Let something go on beside the answers; its failure is logged."""

        async def go_on() -> None:
            try:
                await work
            except Exception:
                log.exception("a task of the door failed")

        task = asyncio.create_task(go_on())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Freshness:
    """Time whose state of the registry is known, and those who wait for a later one."""

    def __init__(self) -> None:
        self._known_at: float | None = None
        self._waiting: list[tuple[float, asyncio.Event]] = []

    def note(self, known_at: float) -> None:
        """Note that the state of this monotonic time is known."""
        self._known_at = known_at
        for after, event in self._waiting:
            if known_at >= after:
                event.set()
        self._waiting = [waiting for waiting in self._waiting if not waiting[1].is_set()]

    async def known_after(self, moment: float, *, timeout_s: float | None = None) -> None:
        """Wait until the state of that time or a later one is known, or the time is over."""
        if self._known_at is not None and self._known_at >= moment:
            return
        event = asyncio.Event()
        self._waiting.append((moment, event))
        try:
            await asyncio.wait_for(event.wait(), timeout_s)
        except TimeoutError:
            return


async def _log_error(error: Exception) -> None:
    log.warning("the connection to the broker failed", error=str(error))
