"""Accounts of Anju about which the door decides: those of simulators and of observers. Pure."""

import hashlib
import hmac
from dataclasses import dataclass, field

from devices.broker_topics import PERSONAL_TOPICS, QUEUES, TOPICS, with_parents
from door.decision import Admission, Login, Refusal

_INGEST = "anju-ingest"


@dataclass(frozen=True, slots=True)
class Account:
    """Account with a name other than that of any device, and its secret."""

    username: str
    secret: str = field(repr=False)

    def is_connection(self, connection_name: str) -> bool:
        """Return whether a connection is one of this account."""
        return connection_name.partition("#")[0] == self.username


def refuse_account(login: Login, account: Account) -> Refusal | None:
    """Return why a login with the name of the account is refused; None if it is not.

    No client id takes over the session of a device, which has a colon, or that of ingest.
    """
    if not hmac.compare_digest(login.secret.encode("utf-8", "surrogatepass"), account.secret.encode()):
        return Refusal.WRONG_SECRET
    if not login.client_id:  # NATS makes one up for MQTT; it ignores the connection types of an answer of the callout
        return Refusal.NOT_MQTT
    if ":" in login.client_id or login.client_id.startswith(_INGEST):
        return Refusal.FOREIGN_CLIENT_ID
    return None


def admit_observer(account: Account) -> Admission:
    """Return the permission to read along, but no kinds with personal data and no messages from a queue."""
    fingerprint = hashlib.sha256(account.secret.encode()).hexdigest()[:8]
    return Admission(
        name=f"{account.username}#{fingerprint}",
        publish=(),
        deny=(">",),
        subscribe=tuple(with_parents(TOPICS)),
        unreadable=(*QUEUES, *with_parents(PERSONAL_TOPICS)),
    )
