"""Validation of the values in a payload, by one compiled validator for each kind and each event.

Pydantic's core checks bounds, types and unknown names, and returns a plain dict. A field that fails is refused, and the
others stay usable.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Choice, Counter, DeviceKind, Event, EventField, Flag, Gauge, Personal, Text, Value
from devices.privacy import Pseudonymiser, mask

_MAX_PERSONAL_LENGTH = 64
_MAX_QUOTED = 8
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_KNOWN_NAMES = re.compile(
    "|".join(
        sorted(
            {field.name for kind in KINDS for field in kind.fields}
            | {event.name for kind in KINDS for event in kind.events}
            | {item.name for kind in KINDS for event in kind.events for item in event.data}
            | {"battery", "csq", "error", "firmware", "humidity", "iccid", "imei", "rssi", "snr", "status", "uptime"}
        )
    )
)
"""Names that are those of no person: those of the catalogue, and more that devices often send."""
_FAULT_CODE = r"^[A-Z][0-9]{1,3}$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class Reason(StrEnum):
    """Reason of a rejection, from the fixed list of the outside surface."""

    BAD_TOPIC = "bad_topic"
    UNKNOWN_DEVICE = "unknown_device"
    WRONG_KIND = "wrong_kind"
    BAD_JSON = "bad_json"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    MISSING_TIMESTAMP = "missing_timestamp"
    BAD_TIMESTAMP = "bad_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"
    UNKNOWN_FIELD = "unknown_field"
    IMPOSSIBLE_VALUE = "impossible_value"
    UNKNOWN_EVENT = "unknown_event"


REASON_ZH: Mapping[str, str] = {
    Reason.BAD_TOPIC: "主题不对",
    Reason.UNKNOWN_DEVICE: "设备没有登记",
    Reason.WRONG_KIND: "设备类型与登记的不符",
    Reason.BAD_JSON: "内容不是有效的 JSON",
    Reason.TOO_LARGE: "消息过大",
    Reason.RATE_LIMITED: "短时间内发送过多，超出限额",
    Reason.MISSING_TIMESTAMP: "没有写明时间",
    Reason.BAD_TIMESTAMP: "时间无法识别",
    Reason.FUTURE_TIMESTAMP: "时间在未来，设备时钟偏快",
    Reason.UNKNOWN_FIELD: "有不认识的字段",
    Reason.IMPOSSIBLE_VALUE: "数值超出可能的范围",
    Reason.UNKNOWN_EVENT: "有不认识的事件",
}
"""Chinese words for each reason, the same in API, dashboards, commands and reports."""


class Violation(NamedTuple):
    """Reason and detail of `fields` invalid fields; the values themselves may be personal and are not quoted."""

    reason: Reason
    detail: str
    fields: int = 1


class Refusal(NamedTuple):
    """Violations of some fields, one for each reason, and the values of the other fields, which may be none."""

    violations: Sequence[Violation]
    values: dict[str, Value]


class _Validator(NamedTuple):
    """Compiled validator of some fields, with the sentences about them for a rejection.

    `limits` says for each field which values are possible, `known` which fields there are. `quotable` matches the names
    of unknown fields that may be quoted.
    """

    compiled: SchemaValidator
    where: str
    limits: Mapping[str, str]
    known: str
    quotable: re.Pattern[str]


def telemetry_values(kind: str, content: object) -> dict[str, Value] | Refusal:
    """Return the measured values, without the nulls that a device sends for failed measurements; never empty."""
    return _check(_TELEMETRY[kind], content) or _refusal(Reason.IMPOSSIBLE_VALUE, "values holds no value")


def event_data(kind: str, event: Event, content: object, pseudonymiser: Pseudonymiser) -> dict[str, Value] | Refusal:
    """Return the data of an event, with personal values replaced by a keyed hash and a mask."""
    checked = _check(_EVENTS[kind, event.name], {} if content is None else content)
    data = checked.values if isinstance(checked, Refusal) else checked
    for item in event.data:
        if isinstance(item, Personal) and item.name in data:
            raw = str(data.pop(item.name))
            data[f"{item.name}_hash"] = pseudonymiser.hash(item.identity, raw)
            data[f"{item.name}_masked"] = mask(item.identity, raw)
    return checked


def unknown_keys(kind: str, names: Collection[str], known: Iterable[str]) -> Violation:
    """Return the violation of an item by keys other than the `known` ones."""
    return _unknown(sorted(names), f"an item has {', '.join(known)}", "", _quotable(KIND_BY_NAME[kind]))


def _check(validator: _Validator, content: object) -> dict[str, Value] | Refusal:
    try:
        values: dict[str, Value] = validator.compiled.validate_python(content)
    except ValidationError as error:
        if not isinstance(content, dict):
            return _refusal(Reason.IMPOSSIBLE_VALUE, f"{validator.where} must be a JSON object")
        return _refuse(validator, content, error)
    return _without_nulls(values) if None in values.values() else values


def _refuse(validator: _Validator, content: dict[str, object], error: ValidationError) -> Refusal:
    """Return the violations of the fields at fault, and the values without them."""
    at_fault = {
        str(each["loc"][0]) for each in error.errors(include_url=False, include_context=False, include_input=False)
    }
    unknown = sorted(at_fault - validator.limits.keys())
    impossible = [name for name in validator.limits if name in at_fault]
    violations = []
    if impossible:
        detail = "; ".join(f"{validator.where}.{name} must be {validator.limits[name]}" for name in impossible)
        violations.append(Violation(Reason.IMPOSSIBLE_VALUE, detail, len(impossible)))
    if unknown:
        violations.append(_unknown(unknown, validator.known, f"{validator.where}.", validator.quotable))
    usable = {name: value for name, value in content.items() if name not in at_fault}
    return Refusal(violations, _without_nulls(validator.compiled.validate_python(usable)))


def _unknown(names: Collection[str], known: str, prefix: str, quotable: re.Pattern[str]) -> Violation:
    """Return the violation by unknown fields; `prefix` leads to them from the item."""
    quoted = [f"{prefix}{name}" for name in islice(filter(quotable.fullmatch, names), _MAX_QUOTED)]
    if unquoted := len(names) - len(quoted):
        quoted.append(f"{unquoted} more" if quoted else f"{unquoted} of its fields")
    return Violation(Reason.UNKNOWN_FIELD, f"unknown: {', '.join(quoted)}; {known}", len(names))


def quoted(kind: str, name: object) -> str:
    """Return an unknown name for a sentence, with a leading blank; nothing where it could be a personal value."""
    is_quotable = isinstance(name, str) and _quotable(KIND_BY_NAME[kind]).fullmatch(name)
    return f" {name}" if is_quotable else ""


def _quotable(kind: DeviceKind) -> re.Pattern[str]:
    """Return the pattern of the names of unknown fields that may be quoted, for a name can be a personal value itself.

    Of a kind that may carry personal values those are known technical names.
    """
    return _KNOWN_NAMES if kind.redacted else _NAME


def _refusal(reason: Reason, detail: str) -> Refusal:
    return Refusal([Violation(reason, detail)], {})


def _without_nulls(values: dict[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _limit(field: EventField, kind: DeviceKind) -> str:
    """Return the possible values of a field in words."""
    match field:
        case Gauge() | Counter():
            low, high = field.possible
            unit = "" if field.unit == "1" else f" {field.unit}"
            return f"a number from {low:g} to {high:.10g}{unit}"
        case Flag():
            return "true or false"
        case Choice():
            return f"one of {', '.join(field.choices)}"
        case Text() if kind.redacted:
            return "a capital letter and one to three digits, such as E12: longer text could be a person's"
        case Text():
            return f"printable text of at most {field.max_length} characters"
        case Personal():
            return f"printable text of 1 to {_MAX_PERSONAL_LENGTH} characters"


def _field_schema(field: EventField, kind: DeviceKind) -> CoreSchema:
    match field:
        case Gauge() | Counter():
            low, high = field.possible
            return core_schema.float_schema(ge=low, le=high, strict=True, allow_inf_nan=False)
        case Flag():
            return core_schema.bool_schema(strict=True)
        case Choice():
            return core_schema.literal_schema(list(field.choices))
        case Text() if kind.redacted:
            return core_schema.str_schema(pattern=_FAULT_CODE, strict=True)
        case Text():
            return core_schema.str_schema(max_length=field.max_length, pattern=_PRINTABLE, strict=True)
        case Personal():
            return core_schema.str_schema(
                min_length=1, max_length=_MAX_PERSONAL_LENGTH, pattern=_PRINTABLE, strict=True
            )


def _validator(kind: DeviceKind, where: str, owner: str, fields: tuple[EventField, ...]) -> _Validator:
    schema = {
        field.name: core_schema.typed_dict_field(
            core_schema.nullable_schema(_field_schema(field, kind)), required=False
        )
        for field in fields
    }
    compiled = SchemaValidator(core_schema.typed_dict_schema(schema, extra_behavior="forbid"))
    limits = {field.name: _limit(field, kind) for field in fields}
    known = f"{owner} has the fields {', '.join(limits)}" if limits else f"{owner} has no fields"
    return _Validator(compiled, where, limits, known, _quotable(kind))


_TELEMETRY = {kind.name: _validator(kind, "values", kind.name, kind.fields) for kind in KINDS}
_EVENTS = {
    (kind.name, event.name): _validator(kind, "data", f"the event {event.name}", event.data)
    for kind in KINDS
    for event in kind.events
}
