"""Runs the tracks of a kind: what one sample makes of them, and what the rules then see.

Between samples the states of a device are packed as MessagePack: that takes a third of the memory, is nothing for the
garbage collector to walk through, and costs less than a microsecond. They are stored as they are, behind the names of
their tracks.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.msgpack import Decoder, Encoder

from devices.kind import Value
from rules.derived.balance import Balance
from rules.model.condition import DerivedValue, Observe, State
from rules.model.duration import microseconds_since_1970
from rules.model.sample import Sample
from rules.model.submeters import SubMeters


class Observer(NamedTuple):
    """The function of a derived value, with its name and definition."""

    name: str
    observe: Observe
    definition: DerivedValue


Entry = tuple[State, Value | None]  # the state of a track, and its newest value
States = bytes  # the entries of all tracks of the kind in their order, packed; empty before the first sample
_NOTHING: Entry = (None, None)
_PAIR = b"\x92"  # MessagePack for an array of the two values that follow

_pack = Encoder().encode
_unpack_entries = Decoder(list[tuple[Any, Any]]).decode
_unpack_stored = Decoder(tuple[list[str], list[tuple[Any, Any]]]).decode


def observers_of(definitions: Iterable[DerivedValue]) -> tuple[Observer, ...]:
    """Return an observer of each derived value, once, after the observers of the values that it needs."""
    observers: dict[str, Observer] = {}
    for definition in sorted(definitions, key=lambda each: each.field.name):
        own = Observer(definition.field.name, definition.observer(), definition)
        for observer in (*observers_of(definition.needs), own):
            observers.setdefault(observer.name, observer)
    return tuple(observers.values())


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
    observers: tuple[Observer, ...], states: States, ts: datetime, values: Mapping[str, Value]
) -> tuple[States, dict[str, Value]]:
    """Shows one sample to the tracks; gives their states, and the sample's values with those that come of it."""
    at, seen = microseconds_since_1970(ts), dict(values)
    entries = _unpack_entries(states) if states else [_NOTHING] * len(observers)
    for index, (name, observe, _) in enumerate(observers):
        before, _ = entries[index]
        state, value = observe(before, at, seen)
        if value is not None:
            seen[name] = value
            # What is there for other tracks alone is a tuple, and nothing that anybody would ask for later.
            entries[index] = state, None if isinstance(value, tuple) else value
        elif state is not before:
            entries[index] = state, None
    return _pack(entries), seen


def compare_submeters(
    balances: Iterable[BalanceInputs], submeters: SubMeters, states: Sequence[States], master: States, sample: Sample
) -> tuple[States, dict[str, Value]]:
    """Compares a master meter with the meters below it; gives its states, and the values that come of it.

    Args:
        balances: What to compare.
        submeters: The meters below.
        states: Those of the meters below that have ever reported.
        master: That of the master meter, with its sample observed.
        sample: The sample of the master meter.
    """
    entries, values, at = _unpack(master), dict[str, Value](), microseconds_since_1970(sample.ts)
    for balance, own, closed in balances:
        if balance.of.name not in sample.values or balance.scope not in {"device", submeters.scope}:
            continue
        windows = (_unpack(one)[closed][0] for one in states)
        state, found = balance.balance(entries[own][0], at, entries[closed][0], windows, len(submeters.meters))
        entries[own] = state, found
        if found is not None:
            values[balance.field.name] = found
    return _pack(entries), values


def pack_names(observers: Iterable[Observer]) -> bytes:
    """What stands before the states of these tracks where they are stored."""
    return _PAIR + _pack([definition.name for definition in observers])


def to_store(names: bytes, states: States) -> bytes:
    """The states as they are stored, behind the packed names of their tracks; nothing before the first sample."""
    return states and names + states


def from_store(observers: tuple[Observer, ...], names: bytes, stored: bytes) -> States:
    """The states of these tracks, whose packed names are given; what no track asks for any more is dropped."""
    if stored.startswith(names):
        return stored[len(names) :]
    known = _by_name(stored)
    if not any(definition.name in known for definition in observers):
        return b""
    return _pack([known.get(definition.name, _NOTHING) for definition in observers])


def newest_values(stored: bytes) -> dict[str, Value]:
    """What the tracks of a device said to the newest sample that concerned them, where it was known."""
    return {name: said for name, (_, said) in _by_name(stored).items() if said is not None}


def _by_name(stored: bytes) -> dict[str, Entry]:
    return dict(zip(*_unpack_stored(stored), strict=True)) if stored else {}


def _unpack(states: States) -> list[Entry]:
    return _unpack_entries(states) if states else []
