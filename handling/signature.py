"""The author of a change by a person, and the idempotency key of its request."""

from dataclasses import dataclass

from store.admin.audit import find_request
from store.database import Connection, StoreError


class KeyReusedError(StoreError):
    """The idempotency key was used for another action or another object."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who makes a change: `actor` and `person` for the audit log, `shown` beside the change."""

    actor: str
    person: str | None
    shown: str


def earlier_subject_id(
    connection: Connection, actor: str, key: str | None, *, action: str, subject: str, subject_id: str | None
) -> str | None:
    """Return the id of the object that an earlier request with the same key changed, or None.

    Args:
        connection: Connection in the transaction of the change.
        actor: Account of the request.
        key: Idempotency key of the request; None if it has none.
        action: Action of the request.
        subject: Type of its object.
        subject_id: Id of its object; None for an object still to be created.

    Raises:
        KeyReusedError: The key was used for another action or another object.
    """
    earlier = find_request(connection, actor, key) if key else None
    if earlier is None:
        return None
    if (earlier.action, earlier.subject) != (action, subject) or subject_id not in {None, earlier.subject_id}:
        raise KeyReusedError(f"the idempotency key was used for another action: {earlier.action}")
    return earlier.subject_id
