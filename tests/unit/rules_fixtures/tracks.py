"""Follows one track sample by sample, as the engine does, through what a database would keep."""

from datetime import UTC, datetime, timedelta

from pydantic_core import from_json, to_json

from rules.tracks.derive import derive, from_store, in_use, to_store

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Following:
    """A track, all that it needs, and their states."""

    def __init__(self, track):
        self.name = track.field.name
        self.tracks = in_use([track])
        self.states = b""

    def show(self, minute, values):
        """The value after the sample of that minute; None where it is not known."""
        self.states, seen = derive(self.tracks, self.states, EPOCH + timedelta(minutes=minute), values)
        return seen.get(self.name)

    def restart(self):
        """Goes on from what was stored."""
        stored = to_json(to_store(self.tracks, self.states), bytes_mode="base64")
        self.states = from_store(self.tracks, from_json(stored))
