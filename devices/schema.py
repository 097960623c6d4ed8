"""Validation of the values in a payload, by one compiled validator for each kind and each event.

Pydantic's core checks bounds, types and unknown names, and returns a plain dict.
"""

from enum import StrEnum
from typing import NamedTuple

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, Event, EventField, Flag, Gauge, Personal, Text, Value
from devices.privacy import Pseudonymiser, mask

_MAX_PERSONAL_LENGTH = 64
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


class Violation(NamedTuple):
    """Reason and detail of an invalid value; the value itself may be personal and is not quoted."""

    reason: Reason
    detail: str


def telemetry_values(kind: str, content: object) -> dict[str, Value] | Violation:
    """Return the measured values, without the nulls that a device sends for failed measurements."""
    return _check(_TELEMETRY[kind], content, "values") or Violation(Reason.IMPOSSIBLE_VALUE, "values holds no value")


def event_data(kind: str, event: Event, content: object, pseudonymiser: Pseudonymiser) -> dict[str, Value] | Violation:
    """Return the data of an event, with personal values replaced by a keyed hash and a mask."""
    data = _check(_EVENTS[kind, event.name], {} if content is None else content, "data")
    if isinstance(data, Violation):
        return data
    for item in event.data:
        if isinstance(item, Personal) and item.name in data:
            raw = str(data.pop(item.name))
            data[f"{item.name}_hash"] = pseudonymiser.hash(item.identity, raw)
            data[f"{item.name}_masked"] = mask(item.identity, raw)
    return data


def _check(validator: SchemaValidator, content: object, where: str) -> dict[str, Value] | Violation:
    try:
        values: dict[str, Value] = validator.validate_python(content)
    except ValidationError as error:
        return _violation(error, where)
    if None in values.values():
        return {name: value for name, value in values.items() if value is not None}
    return values


def _violation(error: ValidationError, where: str) -> Violation:
    first = error.errors(include_url=False, include_context=True, include_input=False)[0]
    if first["type"] == "extra_forbidden":
        return Violation(Reason.UNKNOWN_FIELD, f"{where} has a field that this kind does not know")
    field = ".".join([where, *map(str, first["loc"])])
    return Violation(Reason.IMPOSSIBLE_VALUE, f"{field}: {first['msg']}")


def _field_schema(field: EventField) -> CoreSchema:
    match field:
        case Gauge() | Counter():
            low, high = field.possible
            return core_schema.float_schema(ge=low, le=high, strict=True, allow_inf_nan=False)
        case Flag():
            return core_schema.bool_schema(strict=True)
        case Choice():
            return core_schema.literal_schema(list(field.choices))
        case Text():
            return core_schema.str_schema(max_length=field.max_length, pattern=_PRINTABLE, strict=True)
        case Personal():
            return core_schema.str_schema(
                min_length=1, max_length=_MAX_PERSONAL_LENGTH, pattern=_PRINTABLE, strict=True
            )


def _validator(fields: tuple[EventField, ...]) -> SchemaValidator:
    schema = {
        field.name: core_schema.typed_dict_field(core_schema.nullable_schema(_field_schema(field)), required=False)
        for field in fields
    }
    return SchemaValidator(core_schema.typed_dict_schema(schema, extra_behavior="forbid"))


_TELEMETRY = {kind.name: _validator(kind.fields) for kind in KINDS}
_EVENTS = {(kind.name, event.name): _validator(event.data) for kind in KINDS for event in kind.events}
