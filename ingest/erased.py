"""Erased persons and households are left out of messages that arrive or are stored later."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ingest.batch import Batch
from rules.model.sample import Sample
from store.admin.erasure import Erasures, digest_of
from store.telemetry.write_events import EventRow

_HASH, _MASKED = "_hash", "_masked"


class ErasedMeanwhileError(Exception):
    """Data were erased since the state in memory was read; it has to be read again."""


def leave_out_erased(batch: Batch, erasures: Erasures, community_of: Callable[[int], str]) -> int:
    """Take out of a batch what was sent before it was erased: data of households, hash and mask of persons.

    Returns:
        The number of readings and events that were taken out as a whole.
    """
    if not erasures.persons and not erasures.devices:
        return 0
    before = len(batch.candidates)

    def is_erased(device_id: int, ts: datetime) -> bool:
        until = erasures.devices.get(device_id)
        return until is not None and ts <= until

    def without_person(item: EventRow | Sample) -> dict[str, Any]:
        """Return the data of an event without the persons that were erased."""
        data = dict(item.data)
        for name in [name.removesuffix(_HASH) for name in data if name.endswith(_HASH)]:
            digest = digest_of(str(data[name + _HASH]))
            limits = (erasures.persons.get((digest, each)) for each in (None, community_of(item.device_id)))
            if any(until is not None and item.ts <= until for until in limits):
                del data[name + _HASH], data[name + _MASKED]
        return data

    for kind, rows in list(batch.readings.items()):
        batch.readings[kind] = [row for row in rows if not is_erased(row.device_id, row.ts)]
        if not batch.readings[kind]:
            del batch.readings[kind]
    batch.events = [
        row._replace(data=without_person(row)) for row in batch.events if not is_erased(row.device_id, row.ts)
    ]
    batch.candidates, batch.undated = (
        [
            each._replace(sample=each.sample._replace(data=without_person(each.sample)))
            for each in candidates
            if not is_erased(each.sample.device_id, each.sample.ts)
        ]
        for candidates in (batch.candidates, batch.undated)
    )
    return before - len(batch.candidates)
