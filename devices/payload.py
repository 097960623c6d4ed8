"""Decoder from bytes on a topic to readings, events, connection reports, or rejections with a reason. Pure and total.

`decode` returns for every input and never raises. One bad item of an array rejects that item only, and one bad field of
an item that field only. The layout of the payloads is the outside surface described in `docs/mqtt.md`.
"""

from collections.abc import Callable, Collection, KeysView, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic_core import from_json

from devices.catalogue import KIND_BY_NAME
from devices.device import Device, FindDevice, Service
from devices.kind import DeviceKind, Value
from devices.privacy import Pseudonymiser
from devices.schema import Reason, Refusal, Violation, event_data, quoted, telemetry_values, unknown_keys
from devices.storable import is_device_name, storable_item, storable_payload, storable_topic
from devices.timestamp import MAX_CLOCK_AHEAD, TimestampError, parse_timestamp
from devices.topic import CHANNELS, PREFIX, Channel, Topic, TopicError, parse_topic

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_ITEMS = 8192  # more than fit as useful items; `[1,1,1,...]` would otherwise become 131,000 rejections
_TOPIC_START = PREFIX + "/"
# Needed for every message; until Python 3.12 the access to a member of an enumeration takes 0.2 us.
_TELEMETRY, _WITHDRAWN_SERVICE = Channel.TELEMETRY, Service.WITHDRAWN
_REAL_CHILD = "the device is real and its gateway simulated, and simulated data is none of a real device"
_WITHDRAWN = "the device was withdrawn from the registry; take it off the network, or import it again"
_ITEM_KEYS = {
    Channel.TELEMETRY: ("ts", "values", "seq"),
    Channel.EVENT: ("ts", "event", "id", "data"),
    Channel.STATUS: ("ts", "state"),
}
_INVALID_ID = Violation(Reason.IMPOSSIBLE_VALUE, "id must be printable text of at most 64 characters")
_WITHOUT_TIME = {Reason.MISSING_TIMESTAMP, Reason.BAD_TIMESTAMP, Reason.FUTURE_TIMESTAMP}
_KEYS = {channel: dict.fromkeys(keys).keys() for channel, keys in _ITEM_KEYS.items()}
_GATEWAY_KEYS = {channel: dict.fromkeys((*keys, "kind", "device")).keys() for channel, keys in _ITEM_KEYS.items()}


class Reading(NamedTuple):
    """Values of a device at one instant; `ts` is the time of the device, in UTC."""

    device: Device
    ts: datetime
    values: Mapping[str, Value]


class DeviceEvent(NamedTuple):
    """An event that happened at a device; `id` is empty where the device gives none.

    Of kinds that may carry personal values `id` is a keyed hash; `earlier_ids` are the hashes under earlier keys.
    """

    device: Device
    ts: datetime
    event: str
    id: str
    data: Mapping[str, Value]
    earlier_ids: tuple[str, ...] = ()


class ConnectionState(StrEnum):
    """Reported state of a connection; the last will of a device reports `offline`."""

    ONLINE = "online"
    OFFLINE = "offline"


class ConnectionReport(NamedTuple):
    """Report of a connection state; `ts` is None in a last will, which is written before the connection is lost."""

    device: Device
    ts: datetime | None
    state: ConnectionState


class Rejection(NamedTuple):
    """Message, item, or fields of an item that cannot be used, with the reason.

    `payload` is the part that may be stored: the first 4 KiB, or nothing where it could contain personal data. `size`
    is the length of the whole payload, in bytes. `device` is the registered device, where it is known. `times` is the
    number of refused fields, or 1. `undated` is the content of an item that was rejected for its time alone, with the
    time of its arrival. It is not to be stored, but it may tell of a danger.
    """

    topic: str
    reason: Reason
    detail: str
    payload: bytes
    size: int
    device: Device | None
    times: int = 1
    undated: Reading | DeviceEvent | None = None


Decoded = Reading | DeviceEvent | ConnectionReport | Rejection

Sender = tuple[Device, Channel]
"""The registered device of a topic, and its channel."""

FindSender = Callable[[str], Sender | None]
"""Finds the sender of a topic; None where no such device is registered."""


class _ItemError(Exception):
    """Violation by an item as a whole, to be turned into a `Rejection`."""

    def __init__(self, reason: Reason, detail: str, device: Device | None = None) -> None:
        super().__init__(detail)
        self.violation = Violation(reason, detail)
        self.device = device


def decode(
    topic: str,
    payload: bytes,
    received_at: datetime,
    find_device: FindDevice,
    pseudonymiser: Pseudonymiser,
    *,
    communities: Collection[str] = (),
    sender: Sender | None = None,
) -> list[Decoded]:
    """Decode one message.

    Args:
        topic: the MQTT topic.
        payload: the bytes of the message.
        received_at: when the message arrived, an aware datetime.
        find_device: the look-up in the registry, from (community, device) to a device or None.
        pseudonymiser: hashes plates and door users.
        communities: the registered communities, whose names may be stored with any topic.
        sender: the sender of the topic, where it has been found already.

    Returns:
        One entry for each item of the message, in their order, then a rejection for each reason for which fields of an
        item were refused.
    """
    sender = sender or find_sender(topic, find_device)
    if sender is None:
        return [_reject_topic(topic, payload, find_device, communities)]
    device, channel = sender
    items = _items(payload, channel)
    if isinstance(items, Violation):
        return [_rejection(topic, items, storable_payload(payload, device.kind), len(payload), device)]
    keys = (_GATEWAY_KEYS if device.kind == "gateway" else _KEYS)[channel]
    latest = received_at + MAX_CLOCK_AHEAD
    refused: list[Decoded] = []
    item_decoder = _ItemDecoder(topic, channel, device, keys, latest, find_device, pseudonymiser, len(payload), refused)
    decoded = [item_decoder.decode(item) for item in items]
    return decoded + refused if refused else decoded


def find_sender(topic: str, find_device: FindDevice) -> Sender | None:
    """Return the registered device and the channel of a topic; None where there is no such device.

    Registered names are valid, so that a topic of registered names needs no further check.
    """
    parts = topic.split("/")
    if len(parts) != 6 or not topic.startswith(_TOPIC_START):
        return None
    _, _, community, kind, name, level = parts
    device, channel = find_device(community, name), CHANNELS.get(level)
    if device is None or channel is None or device.kind != kind or device.service is _WITHDRAWN_SERVICE:
        return None
    return device, channel


def _reject_topic(topic: str, payload: bytes, find_device: FindDevice, communities: Collection[str]) -> Rejection:
    """Return the rejection of a topic without a sender; without a known kind the payload is not stored."""
    size, storable = len(payload), storable_topic(topic, find_device, communities)
    try:
        address = _address(topic)
    except TopicError as error:
        return Rejection(storable, Reason.BAD_TOPIC, str(error), b"", size, None)
    device = find_device(address.community, address.device)
    if device is None:
        detail = "no such device in this community; import it first"
        return Rejection(storable, Reason.UNKNOWN_DEVICE, detail, storable_payload(payload, address.kind), size, None)
    kept = storable_payload(payload, address.kind, device.kind)
    if device.service is Service.WITHDRAWN:
        return Rejection(storable, Reason.UNKNOWN_DEVICE, _WITHDRAWN, kept, size, device)
    return Rejection(storable, Reason.WRONG_KIND, f"the device is registered as {device.kind}", kept, size, device)


def _address(topic: str) -> Topic:
    address = parse_topic(topic)
    if address.kind not in KIND_BY_NAME:
        raise TopicError(f"there is no device kind of that name; known: {', '.join(KIND_BY_NAME)}")
    return address


def _items(payload: bytes, channel: Channel) -> list[object] | Violation:
    """Return the items of a payload: the elements of an array, or the only object."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Violation(Reason.TOO_LARGE, f"a payload may have {MAX_PAYLOAD_BYTES} bytes")
    try:
        content = from_json(payload, allow_inf_nan=True, cache_strings="keys")
    except ValueError as error:
        return Violation(Reason.BAD_JSON, str(error))
    if not isinstance(content, list) or channel is Channel.STATUS:
        return [content]
    if len(content) > MAX_ITEMS:
        return Violation(Reason.TOO_LARGE, f"an array may have {MAX_ITEMS} items")
    return content or Violation(Reason.BAD_JSON, "the array is empty")


class _ItemDecoder(NamedTuple):
    """Decoder for the items of one message. An item may have `keys`, and a timestamp up to `latest`.

    Rejections of single fields are added to `refused`.
    """

    topic: str
    channel: Channel
    sender: Device
    keys: KeysView[str]
    latest: datetime
    find_device: FindDevice
    pseudonymiser: Pseudonymiser
    size: int
    refused: list[Decoded]

    def decode(self, item: object) -> Decoded:
        try:
            device, content = self._addressed(item)
            if self.channel is _TELEMETRY:
                return self._reading(device, self._timestamp(content, device), content)
            if self.channel is Channel.EVENT:
                return self._event(device, self._timestamp(content, device), content)
            return self._connection(device, content)
        except _ItemError as error:
            rejection = self._rejection(error.violation, item, error.device)
            if error.violation.reason in _WITHOUT_TIME and error.device and isinstance(item, dict):
                return rejection._replace(undated=self._undated(error.device, item))
            return rejection

    def _undated(self, device: Device, item: dict[str, Any]) -> Reading | DeviceEvent | None:
        """Return the content of an item without a usable time, as of its arrival; None without usable content."""
        arrival = self.latest - MAX_CLOCK_AHEAD
        try:
            if self.channel is Channel.EVENT:
                return self._event(device, arrival, item)
            content = self._reading(device, arrival, item) if self.channel is Channel.TELEMETRY else None
        except _ItemError:
            return None
        return content if isinstance(content, Reading) else None

    def _rejection(self, violation: Violation, item: object, device: Device | None) -> Rejection:
        return _rejection(self.topic, violation, storable_item(device, item), self.size, device or self.sender)

    def _refuse(self, device: Device, item: dict[str, Any], *violations: Violation) -> None:
        """Reject fields of an item that stays usable without them."""
        self.refused.extend(self._rejection(violation, item, device) for violation in violations)

    def _addressed(self, item: object) -> tuple[Device, dict[str, Any]]:
        """Return the device of an item, and the item after a check of its keys; null is an absent key."""
        if not isinstance(item, dict):
            raise _ItemError(Reason.BAD_JSON, "an item must be a JSON object", self.sender)
        device = self.sender
        if device.kind == "gateway" and (item.get("kind") is not None or item.get("device") is not None):
            device = self._child(item.get("device"), item.get("kind"))
        if not item.keys() <= self.keys:
            self._refuse(device, item, unknown_keys(device.kind, item.keys() - self.keys, self.keys))
        return device, item

    def _child(self, name: object, kind: object) -> Device:
        """Return the device of that name and kind behind the sending gateway."""
        child = self.find_device(self.sender.community, name) if isinstance(name, str) else None
        if child is None or child.gateway != self.sender.name:
            device = f" {name}" if child or is_device_name(name, kind) else ""
            raise _ItemError(Reason.UNKNOWN_DEVICE, f"the item's device{device} is not registered behind this gateway")
        if child.service is Service.WITHDRAWN:
            raise _ItemError(Reason.UNKNOWN_DEVICE, _WITHDRAWN, child)
        if self.sender.simulated and not child.simulated:
            raise _ItemError(Reason.UNKNOWN_DEVICE, _REAL_CHILD, child)
        if child.kind != kind:
            raise _ItemError(Reason.WRONG_KIND, f"the item's device is registered as {child.kind}", child)
        return child

    def _reading(self, device: Device, ts: datetime, item: dict[str, Any]) -> Decoded:
        seq = item.get("seq")
        if seq is not None and (not isinstance(seq, int) or isinstance(seq, bool) or seq < 0):
            self._refuse(device, item, Violation(Reason.IMPOSSIBLE_VALUE, "seq must be a whole number from 0"))
        values = telemetry_values(device.kind, item.get("values"))
        if isinstance(values, Refusal):
            return self._reading_without(values, device, ts, item)
        return Reading(device, ts, values)

    def _reading_without(self, refusal: Refusal, device: Device, ts: datetime, item: dict[str, Any]) -> Decoded:
        """Return the reading without its refused fields, or the rejection of a reading that has no other field."""
        if refusal.values:
            self._refuse(device, item, *refusal.violations)
            return Reading(device, ts, refusal.values)
        first, *more = refusal.violations
        self._refuse(device, item, *more)
        return self._rejection(first, item, device)

    def _event(self, device: Device, ts: datetime, item: dict[str, Any]) -> DeviceEvent:
        name = item.get("event")
        event = KIND_BY_NAME[device.kind].event(name) if isinstance(name, str) else None
        if event is None:
            raise _ItemError(Reason.UNKNOWN_EVENT, _unknown_event(name, KIND_BY_NAME[device.kind]), device)
        identifier = item.get("id")
        if identifier is None:
            identifier = ""
        elif not isinstance(identifier, str) or len(identifier) > 64 or not identifier.isprintable():
            self._refuse(device, item, _INVALID_ID)
            identifier = ""
        earlier_ids: tuple[str, ...] = ()
        if identifier and KIND_BY_NAME[device.kind].redacted:
            earlier_ids = self.pseudonymiser.earlier_ids(identifier)
            identifier = self.pseudonymiser.hash_id(identifier)
        data = event_data(device.kind, event, item.get("data"), self.pseudonymiser)
        if isinstance(data, Refusal):
            self._refuse(device, item, *data.violations)
            data = data.values
        return DeviceEvent(device, ts, event.name, identifier, data, earlier_ids)

    def _connection(self, device: Device, item: dict[str, Any]) -> ConnectionReport:
        ts = None if item.get("ts") is None else self._timestamp(item, device)
        state = item.get("state")
        if state not in tuple(ConnectionState):
            raise _ItemError(Reason.IMPOSSIBLE_VALUE, "state must be online or offline", device)
        return ConnectionReport(device, ts, ConnectionState(state))

    def _timestamp(self, item: dict[str, Any], device: Device) -> datetime:
        value = item.get("ts")
        if value is None:
            raise _ItemError(Reason.MISSING_TIMESTAMP, "ts is required: epoch milliseconds or RFC 3339", device)
        try:
            ts = parse_timestamp(value)
        except TimestampError as error:
            raise _ItemError(Reason.BAD_TIMESTAMP, str(error), device) from None
        if ts > self.latest:
            raise _ItemError(Reason.FUTURE_TIMESTAMP, "ts is over 5 minutes ahead: check the device's clock", device)
        return ts


def _rejection(topic: str, violation: Violation, storable: bytes, size: int, device: Device | None) -> Rejection:
    return Rejection(topic, violation.reason, violation.detail, storable, size, device, violation.fields)


def _unknown_event(name: object, kind: DeviceKind) -> str:
    return f"unknown event{quoted(kind.name, name)}; {kind.name} knows {', '.join(event.name for event in kind.events)}"
