"""Observes one derived value sample by sample, as the engine does, through its stored form."""

from datetime import UTC, datetime, timedelta

from rules.derived.pipeline import derive, from_store, observers_of, pack_names, to_store

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Following:
    """A derived value, all values that it needs, and their states."""

    def __init__(self, derived):
        self.name = derived.field.name
        self.observers = observers_of([derived])
        self.states = b""

    def show(self, minute, values):
        """The value after the sample of that minute; None where it is not known."""
        self.states, seen = derive(self.observers, self.states, EPOCH + timedelta(minutes=minute), values)
        return seen.get(self.name)

    def restart(self):
        """Go on from the stored state."""
        observers = self.observers.all
        names = pack_names(observers)
        stored = to_store(names, self.states)
        self.states = from_store(observers, names, stored)
        # Rules with the same derived values in another order find each by its name.
        others = observers[::-1]
        other_names = pack_names(others)
        there = to_store(other_names, from_store(others, other_names, stored))
        assert from_store(observers, names, there) == self.states
