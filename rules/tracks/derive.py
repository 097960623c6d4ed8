"""Runs the tracks of a kind: what one sample makes of them, and what the rules then see."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from rules.condition import Observe, State, Track, Value
from rules.duration import microseconds_since_1970
from rules.masters import Below
from rules.sample import Sample
from rules.tracks.balance import Balance


class Tracked(NamedTuple):
    """A track in use, and the name of its value."""

    name: str
    observe: Observe
    track: Track


States = tuple[State, ...]  # one for each track of the kind, in their order; empty before the first sample


def in_use(tracks: Mapping[str, Track]) -> tuple[Tracked, ...]:
    """Makes the tracks of a kind ready."""
    return tuple(Tracked(name, track.observer(), track) for name, track in sorted(tracks.items()))


def derive(
    tracks: tuple[Tracked, ...], states: States, ts: datetime, values: Mapping[str, Value]
) -> tuple[States, dict[str, Value]]:
    """Shows one sample to the tracks; gives their states, and the sample's values with those that come of it."""
    at, after, seen = microseconds_since_1970(ts), [], dict(values)
    for (name, observe, _), before in zip(tracks, states or (None,) * len(tracks), strict=True):
        state, value = observe(before, at, values)
        after.append(state)
        if value is not None:
            seen[name] = value
    return tuple(after), seen


def weigh(
    balances: Iterable[tuple[int, Balance]], below: Below, states: Sequence[States], master: States, sample: Sample
) -> tuple[States, dict[str, Value]]:
    """Compares a master meter with the meters below it; gives its states, and the values that come of it.

    Args:
        balances: The tracks to compare, by their index.
        below: The meters below.
        states: Those of the meters below that have ever reported.
        master: That of the master meter, with its sample observed.
        sample: The sample of the master meter.
    """
    after, values, at = list(master), dict[str, Value](), microseconds_since_1970(sample.ts)
    for index, balance in balances:
        if balance.of.name not in sample.values or balance.scope not in {"device", below.scope}:
            continue
        after[index], found = balance.balance(after[index], at, (one[index] for one in states), len(below.meters))
        if found is not None:
            values[balance.field.name] = found
    return tuple(after), values


def to_store(tracks: Iterable[Tracked], states: States) -> dict[str, State]:
    """The states by the names of their tracks, without those that have seen nothing."""
    return {track.name: state for track, state in zip(tracks, states, strict=False) if state is not None}


def from_store(tracks: tuple[Tracked, ...], stored: Mapping[str, State]) -> States:
    """The states of these tracks; what no track asks for any more is dropped."""
    if not any(track.name in stored for track in tracks):
        return ()
    return tuple(track.restored(stored[name]) if name in stored else None for name, _, track in tracks)
