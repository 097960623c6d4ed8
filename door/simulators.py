"""The login of simulators and replay: it may speak for every device but the real ones. Pure.

The broker can't be given a list of 400,000 simulated devices, and a device that joins such a list could send only after
the next login. So the real ones are the exceptions, a community of real devices alone being one, and a device that is
registered as simulated while a simulator runs may be sent at once.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from door.decision import Admission, Login, Refusal, own_subjects
from door.directory import Directory

_MOST_EXCEPTIONS = 10_000  # an answer of NATS holds 1 MiB
_INGEST = "anju-ingest"


@dataclass(frozen=True, slots=True)
class SimulatorAccount:
    """Account of simulators: its name, other than that of any device, and its secret."""

    username: str
    secret: str = field(repr=False)

    def is_connection(self, connection_name: str) -> bool:
        """Return whether a connection is one of this account."""
        return connection_name.partition("#")[0] == self.username


def refuse_simulator(login: Login, account: SimulatorAccount) -> Refusal | None:
    """Return why a login with the name of the account is refused; None if it is not."""
    if not hmac.compare_digest(login.secret.encode("utf-8", "surrogatepass"), account.secret.encode()):
        return Refusal.WRONG_SECRET
    if not login.client_id:  # NATS makes one up for MQTT; it ignores the connection types of an answer of the callout
        return Refusal.NOT_MQTT
    if ":" in login.client_id or login.client_id.startswith(_INGEST):
        return Refusal.FOREIGN_CLIENT_ID
    return None


def admit_simulators(account: SimulatorAccount, directory: Directory, *, partitions: int) -> Admission | Refusal:
    """Return what the account may publish; the name of its connections changes with its exceptions."""
    exceptions = sorted(own_subjects(name, partitions) for name in directory.real_devices())
    if len(exceptions) > _MOST_EXCEPTIONS:
        return Refusal.TOO_MANY_REAL_DEVICES
    fingerprint = hashlib.sha256("\n".join(exceptions).encode()).hexdigest()[:8]
    everything = "anju.v1.>" if partitions == 1 else "anju.p.>"
    return Admission(f"{account.username}#{fingerprint}", (everything,), tuple(exceptions))
