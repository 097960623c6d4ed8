"""Registration of simulated communities through the import, and the pace of their history."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime

from imports.importer import import_rows
from simulators.community_plan import CommunityPlan, Site, plan_community
from store.admin.locks import partition_states
from store.database import Connection, DatabaseUnavailableError, connect
from store.telemetry.spool import spool_state

SEED = 2021
_POLL_INTERVAL_S = 0.2
_MAX_WAIT_S = 30.0


def register_communities(connection: Connection, sites: Iterable[Site], households: int) -> None:
    """Register invented communities with `households` flats each; existing rows are kept."""
    for site in sites:
        register(connection, plan_community(*site, households, seed=SEED))


def register(connection: Connection, plan: CommunityPlan) -> None:
    """Register a community with its households and devices."""
    import_rows(connection, [plan.community], plan.households, plan.devices)


def wait_for_ingest(
    database_url: str, device_ids: Sequence[int], stop: Callable[[], bool], at_most_s: float = _MAX_WAIT_S
) -> bool:
    """Wait until ingest has written every message of some devices published before the call, and spooled none.

    Returns:
        True once it is written, and without a running ingest; False if that takes longer, or if `stop` comes first: the
        broker keeps the rest.
    """
    published_at, deadline_s = datetime.now(UTC), time.monotonic() + at_most_s
    while not (written := _is_written(database_url, device_ids, published_at)):
        if stop() or time.monotonic() > deadline_s:
            break
        time.sleep(_POLL_INTERVAL_S)
    return written


def _is_written(database_url: str, device_ids: Sequence[int], published_at: datetime) -> bool:
    try:
        with closing(connect(database_url, application_name="anju simulate")) as connection:
            reports = [state.report for state in partition_states(connection) if state.owned]
            spooled = spool_state(connection, device_ids).messages if reports else 0
    except DatabaseUnavailableError:
        return False
    caught_up = [report.caught_up_at if report else None for report in reports]
    return not spooled and all(at is not None and at > published_at for at in caught_up)
