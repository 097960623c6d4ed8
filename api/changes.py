"""What every change by a person shares: who makes it, and how a request that is sent again is known."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.access import ACTOR
from api.parameters import Store
from api.problems import InvalidProblem
from store.admin.audit import find_request
from store.database import Connection, Database

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Signed(BaseModel):
    """A body that may name the person who acts."""

    model_config = ConfigDict(extra="forbid")

    by: Name | None = Field(
        None, description="The person who does it, as the holder of a shared key says.", examples=["王师傅"]
    )

    @property
    def actor(self) -> str:
        """The name under which it is shown."""
        return self.by or ACTOR


_IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Made up by the client for each action. The same key again changes nothing and is answered alike.",
    ),
]


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request that changes something, and the key by which it is known when it is sent again."""

    store: Database
    key: str | None

    def earlier_subject_id(
        self, connection: Connection, action: str, subject: str, subject_id: str | None
    ) -> str | None:
        """The id of what a request of the same key has changed already, or None.

        Args:
            connection: The transaction of the change.
            action: What is to be done.
            subject: To what sort of thing.
            subject_id: To which; None if it is about to be made.

        Raises:
            InvalidProblem: The key came with another action, or with the same one on something else.
        """
        earlier = find_request(connection, ACTOR, self.key) if self.key else None
        if earlier is None:
            return None
        if (earlier.action, earlier.subject) != (action, subject) or subject_id not in {None, earlier.subject_id}:
            raise InvalidProblem(
                (["header", "Idempotency-Key"], "was used for another action; make up a new one", "key_reused")
            )
        return earlier.subject_id


def _idempotent_request(store: Store, key: _IdempotencyKey = None) -> IdempotentRequest:
    return IdempotentRequest(store, key)


Idempotent = Annotated[IdempotentRequest, Depends(_idempotent_request)]
