"""What the pages are given: the database, the seal, the rules and the files for browsers."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from accounts.login import Authenticated
from console.files import Files
from devices.seal import Seal
from rules.model.rule import RulePack
from store.alerts.alerts import AlertRow
from store.alerts.suppression import Cause
from store.alerts.transitions import StoredTransition
from store.database import Database


class Step(Protocol):
    """Step of an alert, with the alert as it stands after it."""

    @property
    def id(self) -> int:
        """Number of the step."""

    @property
    def community(self) -> str | None:
        """Community of the alert; None for one about Anju itself."""

    @property
    def transition(self) -> StoredTransition:
        """The step itself."""

    @property
    def alert(self) -> AlertRow:
        """The alert."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What keeps it from being notified."""


class StepFeed(Protocol):
    """Feed of the newest steps, which one listener on the database reads for all pages."""

    @property
    def newest(self) -> int:
        """Number of the newest step."""

    def place(self) -> AbstractContextManager[None]:
        """Hold a place for one page; an error where all are taken."""

    async def wait_for_newer(self, last_id: int) -> int | None:
        """Wait for a step after `last_id`; return the number of the newest, or None at the end of the process."""

    def steps_after(self, last_id: int) -> Sequence[Step] | None:
        """Return the steps after `last_id`, or None if not all of them were kept."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Account of the demo, which the login page shows with its password."""

    name: str
    password: str = field(repr=False)
    role_zh: str


@dataclass(frozen=True, slots=True)
class Services:
    """Parts of the process that the pages share with the API.

    Attributes:
        database: the database, with the rows of all tenants.
        seal: seal on secrets of second factors.
        files: styles, scripts and icons, by the names that templates use.
        feed: the newest steps of alerts.
        find: returns the account behind a token, or None.
        rules_in_force: returns the rules as they are now.
        forget: makes the gate ask again about a token whose rights have changed.
        demo_accounts: accounts of the demo; empty outside of it.
    """

    database: Database
    seal: Seal
    files: Files
    feed: StepFeed
    find: Callable[[str], Awaitable[Authenticated | None]]
    forget: Callable[[str], None]
    rules_in_force: Callable[[], RulePack]
    demo_accounts: tuple[DemoAccount, ...] = ()
