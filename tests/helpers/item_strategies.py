"""Hypothesis strategies for valid items of a device."""

from typing import Any

from hypothesis import strategies as st

from decoder_laws import NOW_MS
from devices.catalogue import KIND_BY_NAME
from devices.device import Device


def values_of(field: Any) -> st.SearchStrategy[Any]:
    """Generate the valid values of a field."""
    if hasattr(field, "possible"):
        return st.floats(*field.possible)
    if hasattr(field, "choices"):
        return st.sampled_from(list(field.choices))
    if hasattr(field, "identity") or hasattr(field, "max_length"):
        return st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)
    return st.booleans()


@st.composite
def readings(draw: st.DrawFn, device: Device) -> tuple[dict[str, Any], dict[str, Any]]:
    """Generate a valid item of a device, and its values."""
    fields = draw(st.lists(st.sampled_from(KIND_BY_NAME[device.kind].fields), min_size=1, unique_by=lambda f: f.name))
    values = {field.name: draw(values_of(field)) for field in fields}
    item = {"ts": draw(st.integers(NOW_MS - 10**9, NOW_MS + 300_000)), "values": values}
    return (item if device.gateway is None else {**item, "kind": device.kind, "device": device.name}), values


@st.composite
def event_items(draw: st.DrawFn, device: Device) -> dict[str, Any]:
    """Generate a valid event item of a device."""
    event = draw(st.sampled_from(KIND_BY_NAME[device.kind].events))
    data = {part.name: draw(values_of(part)) for part in event.data}
    return {"ts": NOW_MS, "event": event.name, "id": "a", "data": data, "kind": device.kind, "device": device.name}
