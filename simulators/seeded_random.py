"""Random numbers that depend on a key and an index alone, so that the order of the calls does not matter."""

import hashlib
import random
from dataclasses import dataclass
from struct import Struct
from typing import Self

_FOUR = Struct("<4H")
_HALF = 32_768


@dataclass(frozen=True, slots=True)
class SeededRandom:
    """Source of reproducible numbers; `key` is 16 bytes."""

    key: bytes

    @classmethod
    def of(cls, *names: object) -> Self:
        """Return the source that belongs to these names, such as seed, community and device."""
        text = "\x1f".join(map(str, names))
        return cls(hashlib.blake2b(text.encode(), digest_size=16).digest())

    def fraction(self, index: int) -> float:
        """Return the number of that index, uniform in [0, 1)."""
        return int.from_bytes(self._digest(index)) / 2**64

    def noise(self, index: int) -> tuple[float, float, float, float]:
        """Return four independent numbers of that index, each uniform in [-1, 1)."""
        a, b, c, d = _FOUR.unpack(self._digest(index))
        return a / _HALF - 1, b / _HALF - 1, c / _HALF - 1, d / _HALF - 1

    def generator(self, index: int) -> random.Random:
        """Return a generator for that index, such as a day to plan."""
        return random.Random(self._digest(index))  # noqa: S311 - a simulation, not a secret

    def _digest(self, index: int) -> bytes:
        return hashlib.blake2b(index.to_bytes(8, "little", signed=True), digest_size=8, key=self.key).digest()
