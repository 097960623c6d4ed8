"""Finding of a check of `anju doctor`."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check; `figures` are for programs. A `note` is good and worth a look: some device is wrong."""

    name: str
    good: bool
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)
    note: bool = False

    @property
    def mark(self) -> str:
        """The word in front of its line."""
        return "BAD" if not self.good else "note" if self.note else "ok"
