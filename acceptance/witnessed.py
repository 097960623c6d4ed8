"""Witnessed tests: which events people may test, and the record and the withdrawal of a test."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from uuid import UUID, uuid4

from acceptance.criteria import MEASURED
from acceptance.criterion import WitnessedDelivery
from acceptance.wording import span
from devices.catalogue import KIND_BY_NAME
from store.database import Connection
from store.registry.communities import find_community
from store.registry.devices import find_device
from store.telemetry.witnessed_tests import (
    SPACING,
    ExpectedEvent,
    NewWitnessedTest,
    WitnessedTestRow,
    insert_witnessed_test,
)

EXPECTED_EVENTS: tuple[ExpectedEvent, ...] = tuple(
    ExpectedEvent(criterion.measure.kind, event, criterion.measure.limit)
    for criterion in MEASURED
    if isinstance(criterion.measure, WitnessedDelivery)
    for event in criterion.measure.events
)
"""Events with a criterion that rests on tests."""


class DeliveryResult(StrEnum):
    """Result of a test: its event arrived in time, can still arrive, or did not arrive. A withdrawn test has none."""

    DELIVERED = auto()
    WAITING = auto()
    MISSING = auto()
    WITHDRAWN = auto()


class RecordRefusedError(ValueError):
    """A record that cannot be right; `part` is the part at fault, the text is Chinese."""

    def __init__(self, part: str, message: str) -> None:
        """Keep the part, such as `device`."""
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Record of a person: alarm triggered `by` that person, `how` in words; a kind with one tested event needs none."""

    community: str
    device: str
    event: str | None
    triggered_at: datetime
    by: str
    how: str


def record_test(connection: Connection, entry: Entry, now: datetime) -> UUID:
    """Store a test in the caller's transaction and return its id.

    Raises:
        RecordRefusedError: unknown community or device, a withdrawn device, an event that is not tested, a time in the
            future, or another test of the event within `SPACING`.
    """
    if find_community(connection, entry.community) is None:
        raise RecordRefusedError("community", f"没有小区“{entry.community}”")
    device = find_device(connection, entry.community, entry.device)
    if device is None:
        raise RecordRefusedError("device", f"小区里没有设备“{entry.device}”")
    if device.withdrawn_at is not None:
        raise RecordRefusedError("device", f"设备“{entry.device}”已经注销")
    event = _tested_event(device.kind, entry.event)
    if entry.triggered_at > now:
        raise RecordRefusedError("triggered_at", "触发时间还没有到：测试做完再登记")
    new = NewWitnessedTest(
        id=uuid4(), device_id=device.id, event=event, triggered_at=entry.triggered_at, tested_by=entry.by,
        how=entry.how, recorded_at=now,
    )  # fmt: skip
    if not insert_witnessed_test(connection, new):
        raise RecordRefusedError(
            "triggered_at",
            f"这台设备前后{span(SPACING)}内已经登记过同样的测试：请隔{span(SPACING)}以上再测，或先撤回登错的那条",
        )
    return new.id


def _tested_event(kind: str, event: str | None) -> str:
    """Return the event of a record, or the only one of the kind.

    Raises:
        RecordRefusedError: the kind has no such tested event, or several to choose from.
    """
    events = {each.event: event_zh(kind, each.event) for each in EXPECTED_EVENTS if each.kind == kind}
    if not events:
        kinds = "、".join(dict.fromkeys(KIND_BY_NAME[each.kind].zh for each in EXPECTED_EVENTS))
        raise RecordRefusedError("device", f"这类设备没有须现场测试的报警；现在可以测试的是：{kinds}")
    if event is None and len(events) == 1:
        return next(iter(events))
    if event not in events:
        choices = "、".join(f"{name}（{zh}）" for name, zh in events.items())
        raise RecordRefusedError("event", f"请写明测试的是哪一种报警：{choices}")
    return event


def event_zh(kind: str, event: str) -> str:
    """Return the Chinese name of an event; of one that the catalogue no longer has, its own name."""
    found = KIND_BY_NAME[kind].event(event) if kind in KIND_BY_NAME else None
    return found.zh if found else event


def result_of(test: WitnessedTestRow, now: datetime | None = None) -> DeliveryResult:
    """Return the result of a test as of `now`, or for good."""
    if test.withdrawn_at is not None:
        return DeliveryResult.WITHDRAWN
    if test.arrived_at is not None:
        return DeliveryResult.DELIVERED
    waiting = now is not None and test.within is not None and now <= test.triggered_at + test.within
    return DeliveryResult.WAITING if waiting else DeliveryResult.MISSING
