"""The spool as a finding of `anju doctor`, and as a line of `anju simulate`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.finding import Finding
from store.database import Connection
from store.telemetry.spool import count_refused, most_spooled_devices, refused_senders, spool_state

_NAMED = 3
_REFUSED_FOR = timedelta(days=1)


def spool_finding(connection: Connection, now: datetime) -> Finding:
    """Return what waits in the spool and of which devices; bad if anything was refused in the last day."""
    state, since = spool_state(connection), now - _REFUSED_FOR
    top = most_spooled_devices(connection, _NAMED)
    refused = count_refused(connection, since=since)
    figures = {
        **state._asdict(),
        "refused": refused,
        "top": [each._asdict() for each in top],
    }
    waits = "nothing waits"
    if state.oldest_at:
        named = "; ".join(f"{each.community}/{each.device} {each.messages:,} ({_mib(each.bytes)})" for each in top)
        oldest = f"the oldest since {state.oldest_at:%F %T %Z}"
        waits = (
            f"{state.messages:,} messages ({_mib(state.bytes)}) of {state.devices} device(s) wait, {oldest}: {named}"
        )
    if not refused:
        return Finding("spool", True, waits, figures, note=bool(state.messages))
    senders = "; ".join(refused_senders(connection, since, _NAMED))
    loss = f"{refused:,} messages of the last day were refused (rate_limited), newest under {senders}"
    return Finding("spool", False, f'{waits}; {loss}: see "A device floods" in docs/operations.md', figures)


def spool_line(connection: Connection, device_ids: Sequence[int], refused: int) -> str:
    """Return how many messages of some devices wait in the spool, and how many were refused."""
    waiting = spool_state(connection, device_ids)
    return f"{waiting.messages} of them wait in the spool of ingest, {refused} were refused as rate_limited"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
