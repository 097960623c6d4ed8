"""Laws of decoding for every message, asserted by `check` for hypothesis, the fuzzer and its cases."""

import json
import math
from datetime import UTC, datetime, timedelta

from pydantic_core import from_json

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.device import Device
from devices.kind import Choice, Counter, Flag, Gauge, Personal
from devices.payload import (
    MAX_ITEMS,
    ConnectionReport,
    Decoded,
    DeviceEvent,
    Reading,
    Rejection,
    decode,
)
from devices.privacy import Pseudonymiser
from devices.schema import Reason
from devices.timestamp import EARLIEST, MAX_CLOCK_AHEAD

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
NOW_MS = 1_795_320_000_000
PSEUDONYMISER = Pseudonymiser(b"a key for the tests only")

COMMUNITY = "yangguang"
GATEWAY = Device(1, COMMUNITY, "g1", "gateway")
ALONE = [Device(10 + n, COMMUNITY, f"d-{kind.name}", kind.name) for n, kind in enumerate(KINDS)]
CHILDREN = [Device(50 + n, COMMUNITY, f"c-{kind.name}", kind.name, gateway="g1") for n, kind in enumerate(KINDS)]
REGISTRY = {(device.community, device.name): device for device in (GATEWAY, *ALONE, *CHILDREN)}
PERSONAL = {kind.name for kind in KINDS if kind.personal} | {"camera", "gateway"}


def decoded(topic: str, payload: bytes) -> list[Decoded]:
    """Return the items of a message, decoded with the registry of this file."""
    return decode(
        topic,
        payload,
        NOW,
        lambda community, name: REGISTRY.get((community, name)),
        PSEUDONYMISER,
        communities={COMMUNITY},
    )


def topic_of(device: Device, channel: str) -> str:
    """Return the topic that a device publishes to."""
    return f"anju/v1/{device.community}/{device.kind}/{device.name}/{channel}"


def check(topic: str, payload: bytes) -> None:
    """Assert every law for one message."""
    items = decoded(topic, payload)
    assert items
    assert len(items) <= 3 * MAX_ITEMS  # an item, and two reasons to refuse fields of it
    assert items == decoded(topic, payload)
    for item in items:
        _has_the_device_of_the_sender(topic, item)
        match item:
            case Reading():
                _is_possible(item)
            case DeviceEvent():
                _contains_no_person(item)
            case ConnectionReport(ts=ts):
                assert ts is None or _in_time(ts)
            case Rejection():
                _may_be_stored(item, payload)
    _items_are_independent(topic, payload, items)


def _has_the_device_of_the_sender(topic: str, item: Decoded) -> None:
    if item.device is None:
        assert item.reason in {Reason.BAD_TOPIC, Reason.UNKNOWN_DEVICE}
        return
    sender = REGISTRY[COMMUNITY, topic.split("/")[4]]
    assert item.device in (sender, *(child for child in CHILDREN if child.gateway == sender.name))


def _is_possible(reading: Reading) -> None:
    assert _in_time(reading.ts)
    assert reading.values
    for name, value in reading.values.items():
        match KIND_BY_NAME[reading.device.kind].field(name):
            case Gauge(possible=(low, high)) | Counter(possible=(low, high)):
                assert type(value) is float
                assert low <= value <= high
                assert math.isfinite(value)
            case Flag():
                assert type(value) is bool
            case Choice(choices=choices):
                assert value in choices
            case unknown:
                raise AssertionError(unknown)


def _contains_no_person(event: DeviceEvent) -> None:
    assert _in_time(event.ts)
    definition = KIND_BY_NAME[event.device.kind].event(event.event)
    assert definition
    assert not {part.name for part in definition.data if isinstance(part, Personal)} & event.data.keys()
    _is_text_for_a_table(json.dumps(event.data, ensure_ascii=False, allow_nan=False))
    _is_text_for_a_table(event.id)


def _may_be_stored(rejection: Rejection, payload: bytes) -> None:
    assert rejection.size == len(payload)
    assert rejection.times >= 1
    assert len(rejection.detail) < 4096
    assert len(rejection.payload) <= 4096
    assert rejection.detail
    assert len(rejection.topic) <= 512
    _is_text_for_a_table(rejection.detail)
    _is_text_for_a_table(rejection.topic)
    if rejection.device is None or rejection.device.kind in PERSONAL:
        kinds = rejection.topic.split("/")[3:4]
        assert rejection.payload == b"" or (rejection.device is None and kinds[0] not in PERSONAL)


def _is_text_for_a_table(text: str) -> None:
    text.encode()
    assert "\0" not in text


def _in_time(ts: datetime) -> bool:
    return ts.utcoffset() == timedelta(0) and EARLIEST <= ts <= NOW + MAX_CLOCK_AHEAD


def _items_are_independent(topic: str, payload: bytes, items: list[Decoded]) -> None:
    """Assert that an item of an array has the same result as alone; refused fields come behind all items."""
    contents = _contents(payload)
    if len(items) > 1 and isinstance(contents, list):
        alone = [decoded(topic, json.dumps([content]).encode()) for content in contents]
        in_order = [item for item, *_ in alone] + [field for _, *refused in alone for field in refused]
        assert [_without_size(item) for item in in_order] == [_without_size(item) for item in items]


def _contents(payload: bytes) -> object:
    try:
        return from_json(payload, allow_inf_nan=True)
    except ValueError:
        return None


def _without_size(item: Decoded) -> Decoded:
    return item._replace(size=0) if isinstance(item, Rejection) else item
