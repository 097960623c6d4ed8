"""The state of each device between its messages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic_core import to_json

from devices.kind import Value
from store.database import FETCH_ROWS, Connection


class DeviceStateChange(NamedTuple):
    """The changes of a device's state by one batch.

    `last_seen` is the arrival of the newest message of any type. `last_arrival` is the arrival of the newest sample
    that was newer than all before and not late. `last_ts` is the time of the newest sample by the device's clock,
    `values` the newest value of each field, `event_ts` the newest timestamp of each event. None and empty leave the
    stored value.

    `derived` holds the states of the derived values, in a form that only the rules read. None leaves the stored value,
    and empty deletes it.
    """

    device_id: int
    last_seen: datetime
    last_arrival: datetime | None
    last_ts: datetime | None
    values: Mapping[str, Value]
    event_ts: Mapping[str, datetime]
    derived: bytes | None = None


class DeviceStateRow(NamedTuple):
    """The stored state of a device that the evaluation of its next sample depends on."""

    device_id: int
    last_ts: datetime | None
    last_arrival: datetime | None
    event_ts: dict[str, datetime]
    values: dict[str, Value]
    derived: bytes
    next_checkpoint: datetime | None = None


def save_device_states(connection: Connection, changes: Iterable[DeviceStateChange]) -> None:
    """Update the states of devices, inside the caller's transaction; each device occurs once at most."""
    connection.execute(
        """
        CREATE TEMPORARY TABLE IF NOT EXISTS incoming_state (
            device_id bigint, last_seen timestamptz, last_fresh timestamptz, last_ts timestamptz, last_values text,
            event_ts text, tracks bytea
        ) ON COMMIT DELETE ROWS
        """
    )
    with connection.cursor() as cursor, cursor.copy("COPY incoming_state FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "timestamptz", "timestamptz", "timestamptz", "text", "text", "bytea"])
        for device_id, last_seen, last_arrival, last_ts, values, event_ts, derived in changes:
            copy.write_row((device_id, last_seen, last_arrival, last_ts, _json(values), _json(event_ts), derived))
    connection.execute(
        """
        INSERT INTO device_state AS state (device_id, last_seen, last_fresh, last_ts, last_values, event_ts, tracks)
        SELECT device_id, last_seen, last_fresh, last_ts, last_values::jsonb, event_ts::jsonb, tracks
        FROM incoming_state
        ON CONFLICT (device_id) DO UPDATE SET
            last_seen = greatest(state.last_seen, excluded.last_seen),
            last_fresh = greatest(state.last_fresh, excluded.last_fresh),
            last_ts = greatest(state.last_ts, excluded.last_ts),
            last_values = state.last_values || excluded.last_values,
            event_ts = state.event_ts || excluded.event_ts,
            tracks = coalesce(excluded.tracks, state.tracks)
        """
    )


def add_newest_times(
    connection: Connection, last_seen: Mapping[int, datetime], last_ts: Mapping[int, datetime]
) -> None:
    """Note the newest arrival and the time of the newest reading, by device id, where ingest has none."""
    connection.execute(
        """
        INSERT INTO device_state AS state (device_id, last_seen, last_ts)
        SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
        ON CONFLICT (device_id) DO UPDATE SET last_ts = excluded.last_ts WHERE state.last_ts IS NULL
        """,
        (list(last_seen), list(last_seen.values()), [last_ts.get(device_id) for device_id in last_seen]),
    )


def _json(values: Mapping[str, object]) -> str:
    return to_json(values).decode() if values else "{}"


def load_device_states(connection: Connection, communities: list[str]) -> Iterator[DeviceStateRow]:
    """Yield the state of every device of these communities that has ever sent a message, inside a transaction."""
    with connection.cursor(name="device_states") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(
            """
            SELECT state.device_id, state.last_ts, state.last_fresh, state.event_ts, state.last_values, state.tracks,
                   checkpoint.next_at
            FROM device_state AS state JOIN device ON device.id = state.device_id
            LEFT JOIN device_checkpoint AS checkpoint ON checkpoint.device_id = state.device_id
            WHERE device.community = ANY (%s)
            """,
            (communities,),
        )
        for device_id, last_ts, last_arrival, event_ts, values, derived, next_checkpoint in cursor:
            yield DeviceStateRow(
                device_id, last_ts, last_arrival, _event_times(event_ts), values, derived or b"", next_checkpoint
            )


def find_device_state(connection: Connection, device_id: int) -> DeviceStateRow | None:
    """Return the state of a device without its derived values; None if the device has never sent anything."""
    row = connection.execute(
        "SELECT last_ts, last_fresh, event_ts, last_values FROM device_state WHERE device_id = %s", (device_id,)
    ).fetchone()
    if row is None:
        return None
    last_ts, last_arrival, event_ts, values = row
    return DeviceStateRow(device_id, last_ts, last_arrival, _event_times(event_ts), values, b"")


def _event_times(stored: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(ts) for name, ts in stored.items()}


def newest_reading(connection: Connection, device_ids: Sequence[int]) -> datetime | None:
    """Return the newest timestamp among the stored readings of some devices; None if they have none."""
    row = connection.execute(
        "SELECT max(last_ts) FROM device_state WHERE device_id = ANY(%s)", (list(device_ids),)
    ).fetchone()
    return row[0] if row else None
