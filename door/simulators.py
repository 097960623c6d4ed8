"""The account of simulators and replay: it may speak for every device but the real ones. Pure.

The broker can't be given a list of 400,000 simulated devices, and a device that joins such a list could send only after
the next login. So the real ones are the exceptions, a community of real devices alone being one, and a device that is
registered as simulated while a simulator runs may be sent at once.
"""

import hashlib

from door.accounts import Account
from door.decision import Admission, Refusal, own_subjects
from door.directory import Directory

_MOST_EXCEPTIONS = 10_000  # an answer of NATS holds 1 MiB


def admit_simulators(account: Account, directory: Directory, *, partitions: int) -> Admission | Refusal:
    """Return what the account may publish; the name of its connections changes with its exceptions."""
    exceptions = sorted(own_subjects(name, partitions) for name in directory.real_devices())
    if len(exceptions) > _MOST_EXCEPTIONS:
        return Refusal.TOO_MANY_REAL_DEVICES
    fingerprint = hashlib.sha256("\n".join(exceptions).encode()).hexdigest()[:8]
    everything = "anju.v1.>" if partitions == 1 else "anju.p.>"
    return Admission(f"{account.username}#{fingerprint}", (everything,), tuple(exceptions))
