"""Response models: explicit types, times in UTC, labels in Chinese.

Every model about a device says whether the device is `simulated`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from devices.catalogue import KIND_BY_NAME
from devices.kind import Choice, Counter, Flag, Gauge, Value
from devices.kind import Field as KindField
from devices.schema import REASON_ZH
from rules.model.kind_labels import event_label, kind_label, value_label
from rules.model.labels_zh import CONNECTION, DEVICE_STATE
from rules.model.rule import Severity
from store.registry.communities import CommunityRow, DeviceCount
from store.registry.devices import DeviceRow
from store.telemetry.events import StoredEvent
from store.telemetry.newest import NewestValue
from store.telemetry.read import Aggregate, Point
from store.telemetry.rejections import StoredRejection

Connection = Literal["online", "offline", "unknown"]
DeviceState = Literal["reporting", "silent", "never_heard", "out_of_service"]

Simulated = Annotated[bool, Field(description="From a simulator; never evidence.")]


class ResponseModel(BaseModel):
    """Base of the response models: read from the attributes of a row, and immutable."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Community(ResponseModel):
    """A renovated residential community (小区)."""

    id: str = Field(examples=["jinhe-yuan"])
    name: str = Field(description="Chinese name.", examples=["金河苑"])
    banner: str = Field(description="旗区", examples=["东胜区"])
    street: str = Field(description="街道", examples=["林荫街道"])
    property_company: str | None = Field(description="物业公司")
    built_year: int | None
    subsidised: bool | None = Field(description="Whether the renovation is subsidised (是否享受补助).")
    stage: str | None = Field(description="储备, 新开工, 在建 or 竣工.")
    started_on: date | None
    planned_finish: date | None
    latitude: float | None = Field(description="Degrees north.")
    longitude: float | None = Field(description="Degrees east.")


class KindCount(ResponseModel):
    """Devices of one kind in a community. `total` is the sum of the four states; `simulated` is a part of it."""

    kind: str = Field(examples=["water_meter"])
    kind_zh: str = Field(examples=["水表"])
    total: int
    simulated: int
    reporting: int = Field(description="In service, with fresh telemetry within three reporting periods.")
    silent: int = Field(description="In service and heard once, without such telemetry.")
    never_heard: int = Field(description="In service, and no message has ever come.")
    out_of_service: int = Field(description="Commissioning, out of service or retired.")


class CommunityDetail(Community):
    """Community with its households, devices and open alerts."""

    households: int
    devices: list[KindCount]
    open_alerts: dict[Severity, int] = Field(description="Alerts that have not ended, by severity.")

    @classmethod
    def of(
        cls, row: CommunityRow, households: int, devices: list[DeviceCount], open_alerts: Mapping[str, int]
    ) -> "CommunityDetail":
        """Combine the row of a community with its counts."""
        kinds = [{**asdict(each), "kind_zh": kind_label(each.kind)} for each in devices]
        facts = Community.model_validate(row).model_dump()
        return cls.model_validate({**facts, "households": households, "devices": kinds, "open_alerts": open_alerts})


class Device(ResponseModel):
    """Registered device. Newest sample, last arrival and reported connection are independent facts."""

    community: str
    device: str = Field(examples=["b03-u2-0501-water"])
    kind: str = Field(examples=["water_meter"])
    kind_zh: str = Field(examples=["水表"])
    place: str = Field(description="Its place within the community, in words.", examples=["3号楼2单元501室"])
    building: str
    unit: str
    room: str
    location: str = Field(description="Where it hangs if it belongs to no flat; may be empty.", examples=["东门内车棚"])
    gateway: str | None = Field(description="The gateway it reports through, if any.")
    plan_item: str | None = Field(description="The item of the renovation plan that it is evidence for.")
    serial: str | None
    installed_on: date | None
    simulated: Simulated
    withdrawn_at: datetime | None = Field(
        description="When it was withdrawn from the registry; it is counted and evaluated no more, its history stays."
    )
    state: DeviceState = Field(
        description="Fresh telemetry within three reporting periods; heard once, without such telemetry; no message "
        "ever; commissioning, out of service or retired."
    )
    state_zh: str = Field(examples=["按时上报"])
    connection: Connection = Field(description="Connection as reported by the device; unknown before its first report.")
    connection_zh: str = Field(examples=["在线"])
    connection_at: datetime | None = Field(description="Since when, by the device's clock.")
    last_seen: datetime | None = Field(description="Last arrival of any message from it, by the server's clock.")
    last_ts: datetime | None = Field(description="The time of its newest sample, by the device's clock.")

    @classmethod
    def of(cls, row: DeviceRow) -> "Device":
        """Translate a row."""
        return cls.model_validate(_device_facts(row))


class LastValue(ResponseModel):
    """Newest value of a field. Readings may hold only some fields: each value has its own time."""

    field: str = Field(examples=["volume_m3"])
    value: Value
    ts: datetime | None = Field(description="By the device's clock; null if the reading is no longer stored.")
    value_zh: str | None = Field(description="The value in Chinese if it is a state; null for a number.")
    unit: str | None = Field(examples=["m³"])
    zh: str = Field(examples=["累计用水量"])
    en: str


class RejectionSummary(ResponseModel):
    """Newest rejection of one reason."""

    reason: str = Field(examples=["unknown_field"])
    reason_zh: str = Field(examples=["有不认识的字段"])
    detail: str = Field(description="The mistake, with the fields at fault and the known ones.")
    last_received_at: datetime

    @classmethod
    def of(cls, row: StoredRejection) -> "RejectionSummary":
        """Translate a row."""
        return cls.model_validate(_rejection_facts(row))


class Rejection(RejectionSummary):
    """Message, item or fields of a device that could not be used."""

    topic: str
    payload: str | None = Field(
        description="The first 4 KiB of the message or item; null for kinds that may carry personal data."
    )
    size: int = Field(description="The length of the whole message, in bytes.")
    first_received_at: datetime
    times: int = Field(description="How often the same was rejected, as far as it was stored.")

    @classmethod
    def of(cls, row: StoredRejection) -> "Rejection":
        """Translate a row."""
        return cls.model_validate({**_rejection_facts(row), "payload": row.payload.decode("utf-8", "replace") or None})


class DeviceDetail(Device):
    """Device with the newest value of each field, and its newest rejections."""

    values: list[LastValue]
    rejections: list[RejectionSummary] = Field(description="The newest rejection of each reason, newest first.")

    @classmethod
    def of(
        cls, row: DeviceRow, newest: Iterable[NewestValue] = (), rejections: Iterable[StoredRejection] = ()
    ) -> "DeviceDetail":
        """Combine the row of a device with its newest values, without fields unknown to this version."""
        kind, by_field = KIND_BY_NAME.get(row.kind), {each.field: each for each in newest}
        values = [
            {**_field_facts(field), **known._asdict(), "value_zh": value_label(field, known.value)}
            for field in (kind.fields if kind else ())
            if (known := by_field.get(field.name)) is not None
        ]
        summaries = [RejectionSummary.of(each) for each in rejections]
        return cls.model_validate({**_device_facts(row), "values": values, "rejections": summaries})


class FieldInfo(ResponseModel):
    """Definition of a field of a series."""

    name: str = Field(examples=["volume_m3"])
    type: Literal["gauge", "counter", "flag", "choice"] = Field(
        description="A gauge goes up and down, a counter only grows, a flag is true or false, a choice a named state."
    )
    unit: str | None
    zh: str
    en: str
    choices: dict[str, str] | None = Field(description="The states of a choice with their Chinese labels.")

    @classmethod
    def of(cls, field: KindField) -> "FieldInfo":
        """Translate the definition of a field."""
        choices = field.choices if isinstance(field, Choice) else None
        return cls.model_validate({**_field_facts(field), "name": field.name, "choices": choices})


class SeriesPoint(ResponseModel):
    """Values at one instant."""

    ts: datetime = Field(description="The reading's time by the device's clock, or the beginning of the bucket.")
    received_at: datetime | None = Field(description="When a reading arrived; null for a bucket.")
    values: dict[str, Value | None] = Field(
        description="By field, in the field's unit. Null: the readings of the bucket yield no value of the aggregate.",
        examples=[{"volume_m3": 132.407}],
    )


class Series(ResponseModel):
    """Readings of one device, newest first, or buckets, oldest first."""

    community: str
    device: str
    kind: str
    kind_zh: str
    simulated: Simulated
    fields: list[FieldInfo]
    bucket: str | None = Field(description="The width of the buckets; null for raw readings.")
    aggregate: Aggregate | None
    items: list[SeriesPoint]
    next_cursor: str | None = Field(description="Leads to older readings; null on the last page, and for buckets.")

    @classmethod
    def of(
        cls,
        row: DeviceRow,
        fields: list[KindField],
        points: list[Point],
        *,
        bucket: str | None = None,
        aggregate: Aggregate | None = None,
        next_cursor: str | None = None,
    ) -> "Series":
        """Combine the row of a device with its points."""
        return cls(
            community=row.community,
            device=row.name,
            kind=row.kind,
            kind_zh=kind_label(row.kind),
            simulated=row.simulated,
            fields=[FieldInfo.of(field) for field in fields],
            bucket=bucket,
            aggregate=aggregate,
            items=[SeriesPoint.model_validate(point) for point in points],
            next_cursor=next_cursor,
        )


class Event(ResponseModel):
    """Event reported by a device. Plates and door users appear as hashes and masked forms."""

    ts: datetime = Field(description="When it happened, by the device's clock.")
    received_at: datetime
    event: str = Field(examples=["door_forced"])
    zh: str = Field(examples=["强行开门"])
    id: str = Field(
        description="The device's own id of the event, or its keyed hash where it could name a person; or empty."
    )
    data: dict[str, Value]
    simulated: Simulated

    @classmethod
    def of(cls, device: DeviceRow, row: StoredEvent) -> "Event":
        """Translate a row."""
        facts = {name: getattr(row, name) for name in StoredEvent.__slots__}
        return cls.model_validate({**facts, "zh": event_label(device.kind, row.event), "simulated": device.simulated})


def _rejection_facts(row: StoredRejection) -> dict[str, Any]:
    return {**asdict(row), "reason_zh": REASON_ZH.get(row.reason, row.reason)}


def _device_facts(row: DeviceRow) -> dict[str, Any]:
    connection = row.connection or "unknown"
    return {
        **{name: getattr(row, name) for name in DeviceRow.__slots__},
        "device": row.name,
        "kind_zh": kind_label(row.kind),
        "place": row.place,
        "connection": connection,
        "connection_zh": CONNECTION[connection],
        "state_zh": DEVICE_STATE[row.state],
    }


def _field_facts(field: KindField) -> dict[str, Any]:
    match field:
        case Gauge():
            shape = "gauge"
        case Counter():
            shape = "counter"
        case Flag():
            shape = "flag"
        case Choice():
            shape = "choice"
    return {"type": shape, "unit": getattr(field, "unit", None), "zh": field.zh, "en": field.en}
