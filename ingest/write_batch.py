"""The transaction of a batch: data is stored, new data is evaluated, and the results are stored with it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.batch import Batch, Candidate, Rejected
from ingest.erased import leave_out_erased
from ingest.evaluation import Evaluation
from ingest.rejection_limit import RejectionLimit, Selection
from rules.engine.device_state import DeviceState
from rules.engine.transition import Transition
from rules.model.sample import Sample
from store.database import Connection, DatabaseUnavailableError, translated_errors
from store.telemetry.device_state import DeviceStateChange, save_device_states
from store.telemetry.rejections import CountKey, RejectionRow, count_rejections, store_rejections
from store.telemetry.spool import delete_spooled, insert_spooled
from store.telemetry.write import InsertResult, insert_readings
from store.telemetry.write_events import EventKey, insert_events, record_connections


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a batch: outcomes by kind, numbers of new events and of erased items, and transitions of rules."""

    readings: Mapping[str, InsertResult]
    new_events: int
    transitions: list[Transition]
    erased: int


def write_batch(
    connection: Connection, batch: Batch, evaluation: Evaluation, limit: RejectionLimit, now: datetime
) -> Written:
    """Store and evaluate a batch, all of it or nothing.

    Raises:
        ErasedMeanwhileError: nothing is stored; the evaluation has to be restored from the database.
        DatabaseUnavailableError: nothing is known to be stored; the evaluation no longer agrees with the database.
        UnusableDataError: the database refuses a value; nothing is stored, and the evaluation no longer agrees with it.
    """
    with translated_errors(), connection.transaction():
        erased = leave_out_erased(batch, evaluation.load_erasures(connection), evaluation.community_of)
        readings, new_events = _store(connection, batch)
        if batch.rejections:
            count_rejections(connection, _counts(batch.rejections))
        selection = limit.select(batch.rejections, now)
        store_selection(connection, selection)
        if batch.spooled:
            insert_spooled(connection, batch.spooled)
        if batch.worked_off:
            delete_spooled(connection, batch.worked_off)
        undated = batch.undated + list(_contradicting(readings))
        transitions = evaluation.evaluate(connection, batch.fresh(readings, new_events), now, undated)
        save_device_states(connection, _state_changes(batch.last_seen, evaluation.drain_device_states()))
    limit.confirm(selection)
    return Written(readings, len(new_events), transitions, erased)


def storing_error(connection: Connection, batch: Batch) -> Exception | None:
    """Return the error with which the database refuses the data of a batch; None if it takes them. Nothing is stored.

    Raises:
        DatabaseUnavailableError: the database is away.
    """
    try:
        with translated_errors(), connection.transaction(force_rollback=True):
            _store(connection, batch)
    except DatabaseUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - as in a batch, any error of the content counts
        return error
    return None


def _store(connection: Connection, batch: Batch) -> tuple[dict[str, InsertResult], frozenset[EventKey]]:
    """Store readings, events and connection states; return the outcomes by kind, and the new events."""
    readings = insert_readings(connection, batch.readings) if batch.readings else {}
    new_events = insert_events(connection, batch.events) if batch.events else frozenset[EventKey]()
    if batch.connections:
        record_connections(connection, batch.connections)
    return readings, new_events


def _contradicting(readings: Mapping[str, InsertResult]) -> Iterator[Candidate]:
    """Yield the readings that contradict a stored one of the same time, as of their arrival: they may tell a danger."""
    for kind, result in readings.items():
        for device_id, _, received_at, values in result.contradicting:
            yield Candidate(kind, Sample(device_id, received_at, received_at, values))


def _state_changes(last_seen: Mapping[int, datetime], states: Iterator[DeviceState]) -> Iterator[DeviceStateChange]:
    """Merge arrivals and evaluated states by device. A device with nothing but duplicates changes in `last_seen`."""
    evaluated = next(states, None)
    for device_id, seen in sorted(last_seen.items()):
        # Ingest evaluates itself as devices that are not registered: their numbers are negative and come first.
        while evaluated is not None and evaluated.device_id < device_id:
            evaluated = next(states, None)
        if evaluated is None or evaluated.device_id > device_id:
            yield DeviceStateChange(device_id, seen, None, None, {}, {})
        else:
            _, last_ts, last_arrival, event_ts, values, derived, _ = evaluated
            yield DeviceStateChange(device_id, seen, last_arrival, last_ts, values, event_ts, derived)


def store_selection(connection: Connection, selection: Selection) -> None:
    """Store the rejections that the limit selected, inside the caller's transaction."""
    if rejections := selection.rejections:
        store_rejections(connection, [_rejection_row(rejected) for rejected in rejections])


def _counts(rejections: Sequence[Rejected]) -> Counter[CountKey]:
    counts = Counter[CountKey]()
    for rejection, received_at, times in rejections:
        device = rejection.device
        hour = received_at.replace(minute=0, second=0, microsecond=0)
        if device:
            counts[CountKey(hour, device.community, device.kind, rejection.reason, device.id)] += times
        else:
            counts[CountKey(hour, "", "", rejection.reason)] += times
    return counts


def _rejection_row(rejected: Rejected) -> RejectionRow:
    rejection, received_at, times = rejected
    return RejectionRow(
        topic=rejection.topic,
        reason=rejection.reason,
        detail=rejection.detail,
        payload=rejection.payload,
        size=rejection.size,
        device_id=rejection.device.id if rejection.device else None,
        received_at=received_at,
        times=times,
    )
