"""What is remembered of each device between messages."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from store.database import Connection

Value = float | bool | str


class StateChange(NamedTuple):
    """What a batch tells about a device.

    `last_seen` is the arrival of anything, `last_fresh` the arrival of a sample that was newer than all before and
    not late; `last_ts` is the newest sample by the device's clock, `values` the newest value of each field, `event_ts`
    the newest event of each name. None and empty leave what is stored.
    """

    device_id: int
    last_seen: datetime
    last_fresh: datetime | None
    last_ts: datetime | None
    values: Mapping[str, Value]
    event_ts: Mapping[str, datetime]


class Memory(NamedTuple):
    """What the judgement of a device's next sample depends on."""

    device_id: int
    last_ts: datetime | None
    last_fresh: datetime | None
    event_ts: Mapping[str, datetime]
    values: Mapping[str, Value]


def save_states(connection: Connection, changes: Sequence[StateChange]) -> None:
    """Bring the devices' rows up to date, inside the caller's transaction; a device may stand in it once."""
    connection.execute(
        """
        INSERT INTO device_state AS state (device_id, last_seen, last_fresh, last_ts, last_values, event_ts)
        SELECT * FROM unnest(
            %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::jsonb[], %s::jsonb[]
        )
        ON CONFLICT (device_id) DO UPDATE SET
            last_seen = greatest(state.last_seen, excluded.last_seen),
            last_fresh = greatest(state.last_fresh, excluded.last_fresh),
            last_ts = greatest(state.last_ts, excluded.last_ts),
            last_values = state.last_values || excluded.last_values,
            event_ts = state.event_ts || excluded.event_ts
        """,
        (
            [change.device_id for change in changes],
            [change.last_seen for change in changes],
            [change.last_fresh for change in changes],
            [change.last_ts for change in changes],
            [json.dumps(dict(change.values), ensure_ascii=False) for change in changes],
            [json.dumps({name: ts.isoformat() for name, ts in change.event_ts.items()}) for change in changes],
        ),
    )


def load_memories(connection: Connection, communities: list[str]) -> Iterator[Memory]:
    """What is remembered of every device of these communities that has ever sent anything."""
    rows = connection.execute(
        """
        SELECT state.device_id, state.last_ts, state.last_fresh, state.event_ts, state.last_values
        FROM device_state AS state JOIN device ON device.id = state.device_id
        WHERE device.community = ANY (%s)
        """,
        (communities,),
    )
    for device_id, last_ts, last_fresh, event_ts, values in rows:
        yield Memory(
            device_id, last_ts, last_fresh, {n: datetime.fromisoformat(ts) for n, ts in event_ts.items()}, values
        )


def newest_reading(connection: Connection, device_ids: Sequence[int]) -> datetime | None:
    """The newest device time among the stored readings of some devices; None if nothing of them is stored."""
    row = connection.execute(
        "SELECT max(last_ts) FROM device_state WHERE device_id = ANY(%s)", (list(device_ids),)
    ).fetchone()
    return row[0] if row else None
