"""A batch of messages, decoded and sorted into the rows of the store."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from devices.device import FindDevice
from devices.gateway import GATEWAY
from devices.payload import Decoded, DeviceEvent, FindSender, Reading, Rejection, decode, find_sender
from devices.privacy import Pseudonymiser
from devices.schema import Reason
from ingest.receiver import Message
from rules.model.sample import Sample
from store.telemetry.spool import SpoolKey, SpoolRow
from store.telemetry.write import InsertResult, ReadingKey, ReadingRow
from store.telemetry.write_events import ConnectionRow, EventKey, EventRow

_MAX_AGES = 200
_GATEWAY = GATEWAY.name
_time = attrgetter("sample.ts")


class Candidate(NamedTuple):
    """A sample for the rules, unless it was stored before; `event_id` is the device's own id of an event, or empty."""

    kind: str
    sample: Sample
    event_id: str = ""


class Rejected(NamedTuple):
    """A rejection and the number of messages, items or fields that it stands for."""

    rejection: Rejection
    received_at: datetime
    times: int = 1


@dataclass(slots=True)
class Batch:
    """The content of messages by destination, in the order of arrival and, of one array, of the time of the devices.

    `last_seen` is by device id. `undated` are the contents of items that were rejected for their time alone. `spooled`
    are messages for the spool, `worked_off` the rows of the spool whose messages are in this batch.
    """

    candidates: list[Candidate] = field(default_factory=list)
    readings: dict[str, list[ReadingRow]] = field(default_factory=lambda: defaultdict(list))
    events: list[EventRow] = field(default_factory=list)
    connections: list[ConnectionRow] = field(default_factory=list)
    rejections: list[Rejected] = field(default_factory=list)
    undated: list[Candidate] = field(default_factory=list)
    last_seen: dict[int, datetime] = field(default_factory=dict)
    spooled: list[SpoolRow] = field(default_factory=list)
    worked_off: list[SpoolKey] = field(default_factory=list)

    def reject(self, rejected: Rejected) -> None:
        """Add a rejection. Its device has been heard, although its message cannot be used."""
        self.rejections.append(rejected)
        if device := rejected.rejection.device:
            self.last_seen[device.id] = rejected.received_at

    def sample_ages_s(self) -> list[float]:
        """Return the ages of up to 200 readings at their arrival, in seconds: enough for a batch of thousands."""
        some = self.candidates[:: len(self.candidates) // _MAX_AGES + 1]
        return [(sample.received_at - sample.ts).total_seconds() for _, sample, _ in some if sample.event is None]

    def fresh(self, readings: Mapping[str, InsertResult], new_events: AbstractSet[EventKey]) -> list[Candidate]:
        """Return what was not stored before of the readings and events, each once, in order of arrival.

        Two readings of one device and time are parts of one. The first value of a field counts, in whichever batch it
        came.

        Args:
            readings: the results of storing the readings, by kind.
            new_events: the keys of new events.
        """
        if not self.events and all(result.new is None for result in readings.values()):
            return self.candidates
        fresh: dict[ReadingKey | EventKey, Candidate] = {}
        for candidate in self.candidates:
            kind, sample, event_id = candidate
            if sample.event is not None:
                event_key = sample.device_id, sample.ts, sample.event, event_id
                if event_key in new_events:
                    fresh.setdefault(event_key, candidate)
                continue
            key, result = (sample.device_id, sample.ts), readings[kind]
            if result.new is None or key in result.new:
                first = fresh.get(key, candidate).sample
                fresh[key] = Candidate(kind, first._replace(values={**sample.values, **first.values}))
            elif key in result.added:
                fresh[key] = Candidate(kind, sample._replace(values=result.added[key]))
        return list(fresh.values())


def decode_batch(
    messages: Sequence[Message],
    find_device: FindDevice,
    pseudonymiser: Pseudonymiser,
    *,
    communities: Collection[str] = (),
    senders: FindSender | None = None,
) -> Batch:
    """Decode messages. Every message becomes rows to store, an unusable one a rejection.

    `senders` finds the sender of a topic faster than `find_device` does, with the same result.
    """
    batch, find = Batch(), senders or partial(find_sender, find_device=find_device)
    for message in messages:
        topic, received_at = message.topic, message.received_at
        sender = find(topic)
        if sender and sender[0].kind == _GATEWAY:
            batch.last_seen[sender[0].id] = received_at  # its items may all be those of other devices
        decoded = decode(
            topic, message.payload, received_at, find_device, pseudonymiser, communities=communities, sender=sender
        )
        first = len(batch.candidates)
        for item in decoded:
            _add_item(batch, message, item)
        if len(decoded) > 1:  # the order of an array is free
            batch.candidates[first:] = sorted(batch.candidates[first:], key=_time)
    return batch


def _add_item(batch: Batch, message: Message, decoded: Decoded) -> None:
    """Add a decoded item of a message to the batch, by its destination."""
    received_at = message.received_at
    if isinstance(decoded, Rejection):
        batch.reject(Rejected(decoded, received_at, decoded.times))
        if decoded.undated:
            batch.undated.append(_candidate(decoded.undated, received_at))
        return
    device = decoded.device
    batch.last_seen[device.id] = received_at
    if isinstance(decoded, Reading):
        _, ts, values = decoded
        batch.readings[device.kind].append(ReadingRow(device.id, ts, received_at, values))
        batch.candidates.append(Candidate(device.kind, Sample(device.id, ts, received_at, values)))
    elif isinstance(decoded, DeviceEvent):
        _, ts, event, event_id, data, earlier_ids = decoded
        batch.events.append(EventRow(device.id, ts, received_at, event, event_id, data, earlier_ids))
        batch.candidates.append(_candidate(decoded, received_at))
    else:
        report = ConnectionRow(
            device.id,
            decoded.ts,
            received_at,
            decoded.state,
            redelivered=message.redelivered,
            retained=message.retained,
        )
        batch.connections.append(report)


def _candidate(content: Reading | DeviceEvent, received_at: datetime) -> Candidate:
    device, ts = content.device, content.ts
    if isinstance(content, Reading):
        return Candidate(device.kind, Sample(device.id, ts, received_at, content.values))
    return Candidate(device.kind, Sample(device.id, ts, received_at, {}, content.event, content.data), content.id)


def has_unknown_device(batch: Batch) -> bool:
    """Return whether the registry that decoded the batch lacked one of its devices."""
    return any(rejected.rejection.reason is Reason.UNKNOWN_DEVICE for rejected in batch.rejections)
