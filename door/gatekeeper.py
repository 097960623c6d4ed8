"""Answers to logins for every transport: from memory, and before a refusal from the newest registry."""

import asyncio
import time
from contextlib import suppress

import structlog

from door import metrics
from door.accounts import Account, admit_observer, refuse_account
from door.decision import Admission, Login, Refusal, decide, is_username
from door.directory import Directory
from door.follower import Reading
from door.guesses import LONGEST_DELAY_S, Guesses
from door.simulators import admit_simulators

log = structlog.get_logger()

# A refusal waits for a reading of the registry that began after the login: the device may just have been registered.
_FRESH_S = 1.5


class Gatekeeper:
    """Keeper of the directory, for one event loop.

    Attributes:
        directory: the devices that may log in.
        follows: whether the registry is being read; where it is not, memory alone decides.
    """

    def __init__(
        self,
        *,
        partitions: int,
        simulators: Account | None = None,
        observer: Account | None = None,
        longest_delay_s: float = LONGEST_DELAY_S,
    ) -> None:
        self.directory = Directory()
        self.follows = True
        self._partitions = partitions
        self._account = simulators
        self._observer = observer
        self._simulators: Admission | Refusal | None = None
        self._simulator_names: set[str] = set()
        self._guesses = Guesses(longest_delay_s)
        self._known_at: float | None = None
        self._waiting: list[tuple[float, asyncio.Event]] = []
        self._ending = asyncio.Event()

    def take(self, reading: Reading) -> set[str]:
        """Take over a part of the registry; return the names of connections that are void by it."""
        if reading.anew:
            self.directory.clear()
        void = self.directory.apply(reading.rows)
        if reading.rows or reading.anew:
            self._simulators = None
        if reading.complete_at is not None:
            if self._simulators is None:
                void |= {name for name in tuple(self._simulator_names) if not self.is_current(name)}
                self._simulator_names -= void
            metrics.DEVICES.set(len(self.directory))
            self._note(reading.complete_at)
        return void

    def admit(self, login: Login) -> Admission | None:
        """Return the admission of a login that needs no look at the registry; None for all others."""
        if self._is_simulator(login):
            return None  # a device that has just become real is an exception
        decision = self._decide(login)
        if not isinstance(decision, Admission):
            return None
        metrics.LOGINS.labels("accepted").inc()
        return decision

    async def decide(self, login: Login) -> Admission | Refusal:
        """Return the answer by the newest registry; a refusal takes its time."""
        if self.follows:
            await self.known_after(time.monotonic(), timeout_s=_FRESH_S)
        decision = self._decide(login)
        if isinstance(decision, Admission):
            metrics.LOGINS.labels("accepted").inc()
            return decision
        metrics.LOGINS.labels(decision.name.lower()).inc()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), self._report(login, decision))
        return decision

    def answer_at_once(self) -> None:
        """Answer from memory and without delays, those that wait as well: the door is ending."""
        self.follows = False
        self._ending.set()
        for _, event in self._waiting:
            event.set()

    def may_publish(self, username: str, topic: str) -> bool:
        """Return whether the account of that name may publish to a topic, given as clients write it."""
        if self._account and username == self._account.username:
            levels = topic.split("/")
            return levels[:2] == ["anju", "v1"] and not self.directory.is_real("/".join(levels[2:5]))
        return username in self.directory and topic.startswith(f"anju/v1/{username}/")

    def is_current(self, connection_name: str) -> bool:
        """Return whether the login that opened a connection still stands, with the same permissions."""
        if self._observer and self._observer.is_connection(connection_name):
            return admit_observer(self._observer).name == connection_name
        if self._account is None or not self._account.is_connection(connection_name):
            return self.directory.is_current(connection_name)
        admission = self._admit_simulators(self._account)
        return isinstance(admission, Admission) and admission.name == connection_name

    async def known_after(self, moment: float, *, timeout_s: float | None = None) -> None:
        """Wait until the registry of that monotonic time or a later one is known, or the time is over."""
        if self._known_at is not None and self._known_at >= moment:
            return
        event = asyncio.Event()
        self._waiting.append((moment, event))
        try:
            await asyncio.wait_for(event.wait(), timeout_s)
        except TimeoutError:
            return

    def _note(self, known_at: float) -> None:
        self._known_at = known_at
        for moment, event in self._waiting:
            if known_at >= moment:
                event.set()
        self._waiting = [waiting for waiting in self._waiting if not waiting[1].is_set()]

    def _decide(self, login: Login) -> Admission | Refusal:
        if self._account and self._is_simulator(login):
            return refuse_account(login, self._account) or self._admit_simulators(self._account)
        if self._observer and login.username == self._observer.username:
            return refuse_account(login, self._observer) or admit_observer(self._observer)
        return decide(login, self.directory, partitions=self._partitions)

    def _is_simulator(self, login: Login) -> bool:
        name = self._account.username if self._account else None
        return login.username == name and login.certificate in {"", name}

    def _admit_simulators(self, account: Account) -> Admission | Refusal:
        """Return the permissions of simulators, which depend on all devices and are computed anew after each change."""
        if self._simulators is None:
            self._simulators = admit_simulators(account, self.directory, partitions=self._partitions)
        if isinstance(self._simulators, Admission):
            self._simulator_names.add(self._simulators.name)
        return self._simulators

    def _report(self, login: Login, refusal: Refusal) -> float:
        """Count a refusal, write a line about it unless there are too many, and return its delay in seconds."""
        username = login.certificate or login.username
        is_registered = username in self.directory
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
