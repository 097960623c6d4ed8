"""Common parts of all changes by people: the actor, and the idempotency key of a repeated request."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from pydantic import BaseModel, ConfigDict, Field

from accounts.principal import Principal
from api import messages_zh
from api.parameters import Caller, Store
from api.problems import InvalidProblem, Mistake
from handling.signature import KeyReusedError, Signature, earlier_subject_id
from handling.text import VISIBLE, Name
from store.database import Connection, Database


class Signed(BaseModel):
    """Request body that may name the acting person."""

    model_config = ConfigDict(extra="forbid")

    by: Name | None = Field(
        None,
        description="The acting person, as named by the holder of the shared key. An account acts in its own name.",
        examples=["王师傅"],
    )


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
    principal: Principal

    def sign(self, body: Signed | None = None) -> Signature:
        """Return who makes the change of this request.

        Raises:
            InvalidProblem: An account names another person.
        """
        by = body.by if body else None
        if self.principal.account is None:
            return Signature(self.principal.name, by, by or self.principal.name)
        if by not in {None, self.principal.display_name}:
            message = "an account acts in its own name; leave `by` out"
            raise InvalidProblem(Mistake(["body", "by"], message, "other_person", messages_zh.OTHER_PERSON))
        return Signature(self.principal.name, self.principal.person, self.principal.display_name)

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
        try:
            return earlier_subject_id(
                connection, self.principal.name, self.key, action=action, subject=subject, subject_id=subject_id
            )
        except KeyReusedError:
            raise key_reused() from None


def key_reused() -> InvalidProblem:
    """Return the problem of an idempotency key that was used for another action."""
    message = "was used for another action; make up a new one"
    return InvalidProblem(Mistake(["header", "Idempotency-Key"], message, "key_reused", messages_zh.KEY_REUSED))


def _idempotent_request(store: Store, caller: Caller, key: _IdempotencyKey = None) -> IdempotentRequest:
    return IdempotentRequest(store, key, caller.principal)


Idempotent = Annotated[IdempotentRequest, Depends(_idempotent_request)]
