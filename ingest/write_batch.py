"""The transaction of a batch: data is stored, new data is evaluated, and the results are stored with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.batch import Batch, Rejected
from ingest.evaluation import Evaluation
from ingest.rejection_limit import RejectionLimit
from rules.engine.device_state import DeviceState
from rules.engine.transition import Transition
from store.database import Connection, translated_errors
from store.telemetry.device_state import DeviceStateChange, save_device_states
from store.telemetry.rejections import RejectionRow, insert_rejections
from store.telemetry.write import InsertResult, insert_readings
from store.telemetry.write_events import insert_events, record_connections


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a batch: outcomes by kind, the number of new events, and the transitions of rules."""

    readings: Mapping[str, InsertResult]
    new_events: int
    transitions: list[Transition]


def write_batch(
    connection: Connection, batch: Batch, evaluation: Evaluation, limit: RejectionLimit, now: datetime
) -> Written:
    """Store and evaluate a batch, all of it or nothing.

    Raises:
        DatabaseUnavailableError: nothing is known to be stored; the evaluation no longer agrees with the database.
        UnusableDataError: the database refuses a value; nothing is stored, and the evaluation no longer agrees with it.
    """
    with translated_errors(), connection.transaction():
        readings = insert_readings(connection, batch.readings) if batch.readings else {}
        new_events = insert_events(connection, batch.events) if batch.events else frozenset()
        if batch.connections:
            record_connections(connection, batch.connections)
        if batch.rejections:
            insert_rejections(connection, [_rejection_row(rejected, limit) for rejected in batch.rejections])
        fresh = batch.fresh({kind: outcome.new for kind, outcome in readings.items()}, new_events)
        transitions = evaluation.evaluate(connection, fresh, now)
        save_device_states(connection, _state_changes(batch.last_seen, evaluation.drain_device_states()))
    return Written(readings, len(new_events), transitions)


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
            _, last_ts, last_arrival, event_ts, values, derived = evaluated
            yield DeviceStateChange(device_id, seen, last_arrival, last_ts, values, event_ts, derived)


def _rejection_row(rejected: Rejected, limit: RejectionLimit) -> RejectionRow:
    rejection = rejected.rejection
    device = rejection.device
    return RejectionRow(
        topic=rejection.topic,
        reason=rejection.reason,
        detail=rejection.detail,
        payload=rejection.payload,
        size=rejection.size,
        device_id=device.id if device else None,
        community=device.community if device else "",
        kind=device.kind if device else "",
        received_at=rejected.received_at,
        times=rejected.times,
        stored=limit.allows(rejection.topic, rejected.received_at, registered=device is not None),
    )
