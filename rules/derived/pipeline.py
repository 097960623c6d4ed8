"""Computes the derived values of a device from its samples, and packs their states.

Between samples the states of a device are packed as MessagePack. That takes a third of the memory, costs less than a
microsecond, and leaves nothing for the garbage collector to walk through. The database holds the same bytes, behind the
names of the derived values.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.msgpack import Decoder, Encoder

from devices.device import Replacement
from devices.kind import Value
from rules.derived.balance import Balance
from rules.derived.counter import replacement_name
from rules.derived.repeats import EVENT
from rules.model.derived_value import ComparableValue, DerivedValue, Observe, State
from rules.model.duration import microseconds_since_1970
from rules.model.sample import Sample
from rules.model.submeters import SubMeters


class Observer(NamedTuple):
    """The function of a derived value, with its name and definition."""

    name: str
    observe: Observe
    definition: DerivedValue


class Observers(NamedTuple):
    """The observers of a kind, and the steps in which they see a sample; most see telemetry alone.

    A step is the index of an observer, its name and function, and whether rules compare its value. Any other value is
    for the steps that follow.
    """

    all: tuple[Observer, ...]
    of_telemetry: "tuple[Step, ...]"
    of_events: "tuple[Step, ...]"

    @classmethod
    def of(cls, observers: tuple[Observer, ...]) -> "Observers":
        """Return observers with their steps, in the same order."""
        of_telemetry: list[Step] = []
        of_events: list[Step] = []
        for index, (name, observe, definition) in enumerate(observers):
            steps = of_telemetry if definition.reads else of_events
            steps.append((index, name, observe, isinstance(definition, ComparableValue)))
        return cls(observers, tuple(of_telemetry), tuple(of_events))


Step = tuple[int, str, Observe, bool]

Entry = tuple[State, Value | None]
"""State of a derived value, and its newest value."""

States = bytes
"""The entries of all derived values of a kind, packed in the order of the observers; empty before the first sample."""

_NOTHING: Entry = (None, None)
_PAIR = b"\x92"  # MessagePack for an array of the two values that follow

_pack = Encoder().encode
_unpack_entries = Decoder(list[tuple[Any, Any]]).decode
_unpack_stored = Decoder(tuple[list[str], list[tuple[Any, Any]]]).decode


def observers_of(definitions: Iterable[DerivedValue]) -> Observers:
    """Return an observer of each derived value, once, after the observers of the values that it needs."""
    observers: dict[str, Observer] = {}
    for definition in sorted(definitions, key=lambda each: each.field.name):
        own = Observer(definition.field.name, definition.observer(), definition)
        for observer in (*observers_of(definition.needs).all, own):
            observers.setdefault(observer.name, observer)
    return Observers.of(tuple(observers.values()))


def balances_of(observers: Sequence[Observer]) -> tuple["BalanceInputs", ...]:
    """Return the balances among the observers: the values that compare a master meter with its sub-meters."""
    index = {observer.name: number for number, observer in enumerate(observers)}
    return tuple(
        BalanceInputs(definition, index[name], *(index[need.field.name] for need in definition.needs))
        for name, _, definition in observers
        if isinstance(definition, Balance)
    )


class BalanceInputs(NamedTuple):
    """A balance, the index of its own state, and the index of the closed windows that it compares."""

    balance: Balance
    own: int
    closed: int


def derive(
    observers: Observers,
    states: States,
    ts: datetime,
    values: Mapping[str, Any],
    replacements: Iterable[Replacement] = (),
) -> tuple[States, dict[str, Value]]:
    """Return the states after one sample, and the values of the sample with the derived ones.

    The values of an event are its name, under `EVENT`. Each recorded replacement of the meter before the sample is a
    sample of its own; passed again, it changes nothing.
    """
    for field, replaced_at, *registers in replacements:
        if replaced_at <= ts:
            states, _ = derive(observers, states, replaced_at, {replacement_name(field): registers})
    at, seen = microseconds_since_1970(ts), dict(values)
    entries = _unpack_entries(states) if states else [_NOTHING] * len(observers.all)
    for index, name, observe, is_compared in observers.of_events if EVENT in values else observers.of_telemetry:
        before = entries[index][0]
        state, value = observe(before, at, seen)
        if value is not None:
            seen[name] = value
            entries[index] = state, value if is_compared else None
        elif state is not before:
            entries[index] = state, None
    return _pack(entries), seen


def compare_submeters(
    balances: Iterable[BalanceInputs], submeters: SubMeters, states: Sequence[States], master: States, sample: Sample
) -> tuple[States, dict[str, Value]]:
    """Compare a master meter with its sub-meters.

    Args:
        balances: The balances to compute.
        submeters: The sub-meters.
        states: States of the sub-meters that have ever reported.
        master: States of the master meter, after the sample.
        sample: Sample of the master meter.

    Returns:
        The next states of the master meter, and its known balances by name.
    """
    entries, values, at = _unpack(master), dict[str, Value](), microseconds_since_1970(sample.ts)
    for balance, own, closed in balances:
        if balance.of.name not in sample.values or balance.scope not in {"device", submeters.scope}:
            continue
        windows = (_unpack(one)[closed][0] for one in states)
        state, value = balance.balance(entries[own][0], at, entries[closed][0], windows, len(submeters.meters))
        entries[own] = state, value
        if value is not None:
            values[balance.field.name] = value
    return _pack(entries), values


def pack_names(observers: Iterable[Observer]) -> bytes:
    """Return the packed names of the derived values, which stand in front of their stored states."""
    return _PAIR + _pack([observer.name for observer in observers])


def to_store(names: bytes, states: States) -> bytes:
    """Return the states to store, behind the packed names; empty before the first sample."""
    return states and names + states


def from_store(observers: tuple[Observer, ...], names: bytes, stored: bytes) -> States:
    """Return the stored states of these observers, whose packed names are given; drop all others."""
    if stored.startswith(names):
        return stored[len(names) :]
    known = _by_name(stored)
    if not any(observer.name in known for observer in observers):
        return b""
    return _pack([known.get(observer.name, _NOTHING) for observer in observers])


def newest_values(stored: bytes) -> dict[str, Value]:
    """Return the newest known derived values of a device by name."""
    return {name: value for name, (_, value) in _by_name(stored).items() if value is not None}


def _by_name(stored: bytes) -> dict[str, Entry]:
    # The version before this one could store states without names: they are dropped.
    return dict(zip(*_unpack_stored(stored), strict=False)) if stored else {}


def _unpack(states: States) -> list[Entry]:
    return _unpack_entries(states) if states else []
