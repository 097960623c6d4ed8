"""Common parts of all changes by people: the actor, and the idempotency key of a repeated request."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from pydantic import BaseModel, ConfigDict, Field

from api import messages_zh
from api.access import ACTOR
from api.parameters import Store
from api.problems import InvalidProblem, Mistake
from api.text import VISIBLE, Name
from store.admin.audit import find_request
from store.database import Connection, Database


class Signed(BaseModel):
    """Request body that may name the acting person."""

    model_config = ConfigDict(extra="forbid")

    by: Name | None = Field(
        None, description="The acting person, as named by the holder of a shared key.", examples=["王师傅"]
    )

    @property
    def actor(self) -> str:
        """Actor shown with the change: the person, or the key's own name."""
        return self.by or ACTOR


_IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Made up by the client for each action. A repeated key changes nothing and gets the same answer.",
    ),
    VISIBLE,
]


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """Database and idempotency key of a changing request; a repeated key marks a repeated request."""

    store: Database
    key: str | None

    def earlier_subject_id(
        self, connection: Connection, action: str, subject: str, subject_id: str | None
    ) -> str | None:
        """Return the id of the object that an earlier request with the same key changed, or None.

        Args:
            connection: Connection in the transaction of the change.
            action: Action of the request.
            subject: Type of its object.
            subject_id: Id of its object; None for an object still to be created.

        Raises:
            InvalidProblem: The key was used for another action or another object.
        """
        earlier = find_request(connection, ACTOR, self.key) if self.key else None
        if earlier is None:
            return None
        if (earlier.action, earlier.subject) != (action, subject) or subject_id not in {None, earlier.subject_id}:
            raise InvalidProblem(
                Mistake(
                    ["header", "Idempotency-Key"],
                    "was used for another action; make up a new one",
                    "key_reused",
                    messages_zh.KEY_REUSED,
                )
            )
        return earlier.subject_id


def _idempotent_request(store: Store, key: _IdempotencyKey = None) -> IdempotentRequest:
    return IdempotentRequest(store, key)


Idempotent = Annotated[IdempotentRequest, Depends(_idempotent_request)]
