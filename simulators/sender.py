"""Messages of one connection to the broker: of a single device, or of a gateway and the devices behind it."""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, groupby
from typing import NamedTuple

from devices.topic import Channel, Topic
from simulators.faults import Fault
from simulators.message import Message, encode_payload, to_json
from simulators.register import TimeSpan, any_contains, fault_spans, merge_spans
from simulators.simulated_device import Delivery, SimulatedDevice

# An item has about 350 bytes, so a message stays far below the 256 KiB that a payload may have.
_ITEMS_A_MESSAGE = 200
_RECONNECT_S = 1.0
_BACKLOG_INTERVAL_S = 0.5


class _ItemGroup(NamedTuple):
    """Items sent together at an instant, in seconds since the epoch."""

    at: float
    channel: Channel
    items: Sequence[str]


class Sender:
    """Converter of deliveries into messages, in order of time.

    A gateway collects the telemetry of a minute, including its own, into one message at the end of that minute. It
    forwards events at once. Every other device sends each item at its own instant.
    """

    def __init__(self, source: SimulatedDevice, children: Sequence[SimulatedDevice], faults: Iterable[Fault]) -> None:
        """Sort the children by the minute in which they report."""
        self._source = source
        self._is_gateway = source.device.kind == "gateway"
        own = tuple(faults)
        self._outages = fault_spans(fault for fault in own if fault.kind == "gateway_outage")
        # A device that stops sending leaves out its own deliveries, but its connection is lost as well.
        self._offline_spans = merge_spans(
            (*self._outages, *fault_spans(fault for fault in own if fault.stops_sending(source.device)))
        )
        self._unscheduled = [child for child in children if child.has_unscheduled_items]
        self._due: dict[int, dict[int, list[SimulatedDevice]]] = defaultdict(lambda: defaultdict(list))
        for child in children:
            if not child.has_unscheduled_items:
                cycle = child.period_s // source.period_s
                window = math.floor((child.phase_s - source.phase_s) / source.period_s) % cycle
                self._due[cycle][window].append(child)

    def messages(self, start: float, end: float) -> Iterator[Message]:
        """Yield the messages from `start` up to, not including, `end`, in seconds since the epoch."""
        if not self._offline_spans:
            return self._live(start, end)
        late = (self._backlog(outage, start, end) for outage in self._outages if outage.end < end)
        return heapq.merge(self._live(start, end), self._state_changes(start, end), *late)

    def status(self, at: float) -> Message:
        """Return the retained message with the connection state at an instant."""
        return self._status(at, online=not any_contains(self._offline_spans, at))

    def _live(self, start: float, end: float) -> Iterator[Message]:
        for group in self._item_groups(start, end):
            if not any_contains(self._outages, group.at):
                yield from self._to_messages(group.at, group)

    def _backlog(self, outage: TimeSpan, start: float, end: float) -> Iterator[Message]:
        """Yield the items of an outage in large messages after it, as far as they fall between `start` and `end`."""
        backlog: dict[Channel, list[str]] = {Channel.TELEMETRY: [], Channel.EVENT: []}
        for group in self._item_groups(outage.start, outage.end):
            backlog[group.channel] += group.items
        number = count()
        for channel, items in backlog.items():
            for chunk in _chunks(items):
                at = outage.end + _RECONNECT_S + _BACKLOG_INTERVAL_S * next(number)
                if start <= at < end:
                    yield from self._to_messages(at, _ItemGroup(at, channel, chunk))

    def _state_changes(self, start: float, end: float) -> Iterator[Message]:
        for span in self._offline_spans:
            if start <= span.start < end:
                yield self._status(span.start, online=False)
            if start <= span.end < end:
                yield self._status(span.end, online=True)

    def _item_groups(self, start: float, end: float) -> Iterator[_ItemGroup]:
        """Yield the item groups between two instants; a group of the previous window may be due only now."""
        period, phase = self._source.period_s, self._source.phase_s
        for number in count(math.floor((start - phase) / period) - 1):
            begin = number * period + phase
            if begin >= end:
                return
            for group in self._window(number, begin, begin + period):
                if start <= group.at < end:
                    yield group

    def _window(self, number: int, begin: float, end: float) -> Iterator[_ItemGroup]:
        deliveries = self._source.deliveries(begin, end)
        if self._is_gateway:
            due = [child for cycle, windows in self._due.items() for child in windows.get(number % cycle, ())]
            for child in (*self._unscheduled, *due):
                deliveries += child.deliveries(begin, end)
            deliveries.sort()
            yield from _group_by_instant(delivery for delivery in deliveries if delivery.channel is Channel.EVENT)
            readings = [delivery.item for delivery in deliveries if delivery.channel is Channel.TELEMETRY]
            if readings:
                yield _ItemGroup(end, Channel.TELEMETRY, readings)
        else:
            yield from _group_by_instant(deliveries)

    def _to_messages(self, at: float, group: _ItemGroup) -> Iterator[Message]:
        for items in _chunks(group.items):
            yield Message(datetime.fromtimestamp(at, UTC), self._topic(group.channel), encode_payload(items))

    def _status(self, at: float, *, online: bool) -> Message:
        # "offline" is the last will, which a device leaves with the broker in advance: it has no time.
        state = {"state": "online", "ts": round(at * 1000)} if online else {"state": "offline"}
        moment = datetime.fromtimestamp(at, UTC)
        return Message(moment, self._topic(Channel.STATUS), to_json(state).encode(), retain=True)

    def _topic(self, channel: Channel) -> str:
        device = self._source.device
        return str(Topic(device.community, device.kind, device.name, channel))


def _group_by_instant(deliveries: Iterable[Delivery]) -> Iterator[_ItemGroup]:
    """Yield one group for all deliveries of the same instant and channel."""
    for (at, channel), group in groupby(deliveries, key=lambda delivery: (delivery.at, delivery.channel)):
        yield _ItemGroup(at, channel, [delivery.item for delivery in group])


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[i : i + _ITEMS_A_MESSAGE] for i in range(0, len(items), _ITEMS_A_MESSAGE))
