"""Runs the tracks of a kind: what one sample makes of them, and what the rules then see.

Between samples the states of a device are packed as MessagePack: that takes a third of the memory, is nothing for the
garbage collector to walk through, and costs less than a microsecond. They are stored as they are, behind the names of
their tracks.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.msgpack import Decoder, Encoder

from rules.derived.balance import Balance
from rules.model.condition import Observe, State, Track, Value
from rules.model.duration import microseconds_since_1970
from rules.model.sample import Sample
from rules.model.submeters import SubMeters


class Tracked(NamedTuple):
    """A track in use, and the name of its value."""

    name: str
    observe: Observe
    track: Track


Entry = tuple[State, Value | None]  # the state of a track, and its newest value
States = bytes  # the entries of all tracks of the kind in their order, packed; empty before the first sample
_NOTHING: Entry = (None, None)
_PAIR = b"\x92"  # MessagePack for an array of the two values that follow

_pack = Encoder().encode
_unpack_entries = Decoder(list[tuple[Any, Any]]).decode
_unpack_stored = Decoder(tuple[list[str], list[tuple[Any, Any]]]).decode


def in_use(tracks: Iterable[Track]) -> tuple[Tracked, ...]:
    """Makes the tracks of a kind ready, each once, behind those that it needs."""
    found: dict[str, Tracked] = {}
    for track in sorted(tracks, key=lambda each: each.field.name):
        for one in (*in_use(track.needs), Tracked(track.field.name, track.observer(), track)):
            found.setdefault(one.name, one)
    return tuple(found.values())


def weighings(tracks: Sequence[Tracked]) -> tuple["Weighing", ...]:
    """Those that compare devices with each other."""
    index = {tracked.name: number for number, tracked in enumerate(tracks)}
    return tuple(
        Weighing(track, index[name], *(index[need.field.name] for need in track.needs))
        for name, _, track in tracks
        if isinstance(track, Balance)
    )


class Weighing(NamedTuple):
    """A balance, and at which index its states stand, and those of the windows that it compares."""

    balance: Balance
    own: int
    closed: int


def derive(
    tracks: tuple[Tracked, ...], states: States, ts: datetime, values: Mapping[str, Value]
) -> tuple[States, dict[str, Value]]:
    """Shows one sample to the tracks; gives their states, and the sample's values with those that come of it."""
    at, seen = microseconds_since_1970(ts), dict(values)
    entries = _unpack_entries(states) if states else [_NOTHING] * len(tracks)
    for index, (name, observe, _) in enumerate(tracks):
        before, _ = entries[index]
        state, value = observe(before, at, seen)
        if value is not None:
            seen[name] = value
            # What is there for other tracks alone is a tuple, and nothing that anybody would ask for later.
            entries[index] = state, None if isinstance(value, tuple) else value
        elif state is not before:
            entries[index] = state, None
    return _pack(entries), seen


def weigh(
    weighings: Iterable[Weighing], submeters: SubMeters, states: Sequence[States], master: States, sample: Sample
) -> tuple[States, dict[str, Value]]:
    """Compares a master meter with the meters below it; gives its states, and the values that come of it.

    Args:
        weighings: What to compare.
        submeters: The meters below.
        states: Those of the meters below that have ever reported.
        master: That of the master meter, with its sample observed.
        sample: The sample of the master meter.
    """
    entries, values, at = _unpack(master), dict[str, Value](), microseconds_since_1970(sample.ts)
    for balance, own, closed in weighings:
        if balance.of.name not in sample.values or balance.scope not in {"device", submeters.scope}:
            continue
        windows = (_unpack(one)[closed][0] for one in states)
        state, found = balance.balance(entries[own][0], at, entries[closed][0], windows, len(submeters.meters))
        entries[own] = state, found
        if found is not None:
            values[balance.field.name] = found
    return _pack(entries), values


def packed_names(tracks: Iterable[Tracked]) -> bytes:
    """What stands before the states of these tracks where they are stored."""
    return _PAIR + _pack([track.name for track in tracks])


def to_store(names: bytes, states: States) -> bytes:
    """The states as they are stored, behind the packed names of their tracks; nothing before the first sample."""
    return states and names + states


def from_store(tracks: tuple[Tracked, ...], names: bytes, stored: bytes) -> States:
    """The states of these tracks, whose packed names are given; what no track asks for any more is dropped."""
    if stored.startswith(names):
        return stored[len(names) :]
    known = _by_name(stored)
    if not any(track.name in known for track in tracks):
        return b""
    return _pack([known.get(track.name, _NOTHING) for track in tracks])


def newest_values(stored: bytes) -> dict[str, Value]:
    """What the tracks of a device said to the newest sample that concerned them, where it was known."""
    return {name: said for name, (_, said) in _by_name(stored).items() if said is not None}


def _by_name(stored: bytes) -> dict[str, Entry]:
    return dict(zip(*_unpack_stored(stored), strict=True)) if stored else {}


def _unpack(states: States) -> list[Entry]:
    return _unpack_entries(states) if states else []
