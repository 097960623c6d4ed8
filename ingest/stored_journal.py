"""The journal of the engine in the database: checkpoints have a table, items are the stored readings and events."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import convert
from msgspec.msgpack import Decoder, Encoder

from ingest.instance_rows import state_of, state_row
from rules.analysis.stored_history import needed_events, needed_fields
from rules.engine.device_state import DeviceState
from rules.engine.reorder import MOST_ITEMS, Checkpoint, Recent
from rules.model.rule import RulePack
from rules.model.sample import Sample
from store.alerts.rule_state import RuleStateRow
from store.database import Connection
from store.telemetry.checkpoints import CheckpointRow, ItemsQuery, load_checkpoints, read_items, save_checkpoints


class _Packed(NamedTuple):
    """A checkpoint as it is packed: a `DeviceState` without what a replay does not need, and the rows of instances."""

    last_ts: datetime | None
    event_ts: dict[str, datetime]
    values: dict[str, bool | float | str]
    derived: bytes
    instances: list[Any]


_pack = Encoder().encode
_unpack = Decoder(_Packed).decode


class StoredJournal:
    """The checkpoints that wait to be stored, by device; the database holds everything else."""

    def __init__(self, pack: RulePack) -> None:
        self._pack = pack
        self._kept: dict[int, tuple[datetime, tuple[Checkpoint, ...]]] = {}

    def add(self, sample: Sample) -> None:
        """Do nothing: an evaluated item is stored already."""

    def keep(self, checkpoint: Checkpoint, until: datetime, before: Checkpoint | None = None) -> None:
        """Add a checkpoint; of one device the last two are stored."""
        device_id = checkpoint.device.device_id
        _, waiting = self._kept.get(device_id, (until, ()))
        self._kept[device_id] = until, (checkpoint, *((before,) if before else waiting[:1]))

    def save(self, connection: Connection) -> None:
        """Store the checkpoints since the last call, in the transaction of their items."""
        if self._kept:
            kept, self._kept = self._kept, {}
            save_checkpoints(connection, (_row(device_id, *kept[device_id]) for device_id in sorted(kept)))

    def load(self, connection: Connection, late: Mapping[int, tuple[str, list[Sample]]]) -> dict[int, Recent]:
        """Return the recent items of devices, without late ones, which are stored already but not evaluated.

        Args:
            connection: The connection in whose transaction the late items were stored.
            late: The kind and the late items of each device.

        Returns:
            The recent items by device; a device without a checkpoint is left out.
        """
        self.save(connection)
        kinds = {device_id: kind for device_id, (kind, _) in late.items()}
        checkpoints = {row.device_id: _checkpoints(row) for row in load_checkpoints(connection, list(kinds))}
        items: dict[int, list[Sample]] = {device_id: [] for device_id in checkpoints}
        for kind in sorted({kinds[device_id] for device_id in checkpoints}):
            query = ItemsQuery(
                kind=kind,
                fields=needed_fields(self._pack, kind),
                events=needed_events(self._pack, kind),
                since={each: found[-1].at for each, found in checkpoints.items() if kinds[each] == kind},
                at_most=MOST_ITEMS + 1,
            )
            for _, device_id, ts, received_at, values, event, data in read_items(connection, query):
                items[device_id].append(Sample(device_id, ts, received_at, values, event, data))
        return {
            device_id: Recent(found, items[device_id]).without(late[device_id][1])
            for device_id, found in checkpoints.items()
        }


def _row(device_id: int, until: datetime, checkpoints: tuple[Checkpoint, ...]) -> CheckpointRow:
    newer, *older = map(_packed, checkpoints)
    return CheckpointRow(device_id, until, newer, *older)


def _checkpoints(row: CheckpointRow) -> tuple[Checkpoint, ...]:
    packed: Iterable[bytes] = (row.newer,) if row.older is None else (row.newer, row.older)
    return tuple(_checkpoint(row.device_id, each) for each in packed)


def _packed(checkpoint: Checkpoint) -> bytes:
    device, instances = checkpoint.device, [state_row(state) for state in checkpoint.states]
    return _pack((device.last_ts, device.event_ts, device.values, device.derived, instances))


def _checkpoint(device_id: int, packed: bytes) -> Checkpoint:
    last_ts, event_ts, values, derived, instances = _unpack(packed)
    device = DeviceState(device_id, last_ts, None, event_ts, values, derived)
    return Checkpoint(device, tuple(state_of(convert(row, RuleStateRow)) for row in instances))
