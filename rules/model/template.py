"""Texts of rules: their placeholders, and the values in Chinese that replace them."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from string import Formatter
from typing import NamedTuple

from devices.device import Device
from devices.kind import Choice, DeviceKind, EventField, Flag, Gauge, Personal
from devices.local_time import local_time_zh
from rules.model.condition import Condition, NoData, derived_values_of, events_of
from rules.model.duration import in_chinese
from rules.model.subject_zh import device_zh, place_of, subject_of
from rules.model.virtual_kinds import DEVICE_GROUP

_OF_THE_DEVICE: Mapping[str, Callable[[Device], str]] = {
    "device": lambda device: device_zh(device.kind, device.name, device.room),
    "community": lambda device: device.community_name or device.community,
    "place": place_of,
}
_UNKNOWN = "未知"
_EXPECTED = DEVICE_GROUP.fields[-1]
_REMARK = re.compile(r"（[^（）]*）")
_WHOLE_FROM = 10  # a clock that is 200 s slow is not 200.05 s slow to a person


class Silence(NamedTuple):
    """Absence of data: the last arrival before it, and its duration so far."""

    since: datetime
    lasted: timedelta


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names in braces, in their order.

    Raises:
        ValueError: A brace is not closed, or a placeholder is more than a name.
    """
    names = []
    for _, name, spec, conversion in Formatter().parse(text):
        if name is not None:
            if spec or conversion or not name.isidentifier():
                raise ValueError(f"a placeholder is a name in braces, not {{{name}}} with anything more")
            names.append(name)
    return tuple(names)


def data_fields(kind: DeviceKind, condition: Condition) -> dict[str, EventField]:
    """Return the fields, derived values and event data that the texts of a rule may quote, by placeholder."""
    fields: dict[str, EventField] = {field.name: field for field in kind.fields}
    fields |= {name: derived.field for name, derived in derived_values_of(condition).items()}
    for name in events_of(condition):
        event = kind.event(name)
        for item in event.data if event else ():
            fields[f"{item.name}_masked" if isinstance(item, Personal) else item.name] = item
    return fields


def allowed_placeholders(kind: DeviceKind, condition: Condition) -> tuple[str, ...]:
    """Return every placeholder that the texts of a rule with this condition may use."""
    no_data = ("silent_since", "silent_for") if isinstance(condition, NoData) else ()
    share = ("share",) if kind is DEVICE_GROUP else ()
    return (*_OF_THE_DEVICE, *no_data, *share, *data_fields(kind, condition))


def render(
    text: str, device: Device, values: Mapping[str, object], silence: Silence, known: Mapping[str, EventField]
) -> str:
    """Return a checked text with its placeholders filled in, in Chinese; an unknown value reads 未知.

    A remark in Chinese brackets, such as `（{battery_v} V）`, is left out if it quotes an unknown value. A text with
    its device and without `{place}` gets the place too: people have to find the device.
    """
    text = _REMARK.sub(lambda remark: remark[0] if _is_known(remark[0], values, known) else "", text)
    parts = []
    names_place = "{place}" in text
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(literal)
        if name is None:
            continue
        if name == "device" and not names_place:
            parts.append(subject_of(device))
        elif name in _OF_THE_DEVICE:
            parts.append(_OF_THE_DEVICE[name](device))
        elif name == "silent_for":
            parts.append(in_chinese(silence.lasted))
        elif name == "silent_since":
            parts.append(_minute_zh(silence.since))
        elif name == "share":
            parts.append(_share_of(values))
        else:
            parts.append(in_words(values.get(name), known[name]))
    return "".join(parts).strip()


def _share_of(values: Mapping[str, object]) -> str:
    """Return the affected devices of a group among those that count: `6 台全部`, or `14 台中有 12 台`."""
    affected, expected = values.get("children_affected"), values.get("children_expected")
    if affected == expected:
        return f"{in_words(expected, _EXPECTED)} 台全部"
    return f"{in_words(expected, _EXPECTED)} 台中有 {in_words(affected, _EXPECTED)} 台"


def _is_known(remark: str, values: Mapping[str, object], known: Mapping[str, EventField]) -> bool:
    return all(values.get(name) is not None for name in placeholders(remark) if name in known)


def _minute_zh(at: datetime) -> str:
    return local_time_zh(at).rpartition(":")[0]


def in_words(value: object, field: EventField) -> str:
    """Return a value in words for people, without its unit; 未知 for None."""
    match value:
        case None:
            return _UNKNOWN
        case bool() if isinstance(field, Flag):
            return "是" if value else "否"
        case str() if isinstance(field, Choice):
            return field.choices.get(value, value)
        case float() | int() if isinstance(field, Gauge) and field.signs:
            digits = f"{abs(value):.0f}" if abs(value) >= _WHOLE_FROM else f"{abs(value):.1f}"
            return f"{field.signs[value > 0]} {digits.removesuffix('.0')}"
        case float() | int():
            digits = f"{value:.3f}".rstrip("0").rstrip(".")
            return "0" if digits == "-0" else digits
        case _:
            return str(value)
