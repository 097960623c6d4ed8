"""Households of the registry that an import would refuse today."""

from collections.abc import Iterable
from functools import lru_cache

from imports.cells import CellError
from imports.forms import HOUSEHOLDS
from imports.spelling import Place, canonical_place
from store.registry.registry import HouseholdKey

(_ROOM,) = (column for column in HOUSEHOLDS.columns if column.name == "room")


def damaged_households(households: Iterable[HouseholdKey]) -> list[HouseholdKey]:
    """Return the households with a damaged place or with a second spelling of a place, in order."""
    first: dict[Place, HouseholdKey] = {}
    return [
        key
        for key in sorted(households)
        if first.setdefault(canonical_place(key), key) != key or not all(map(_is_readable, key[1:]))
    ]


@lru_cache(maxsize=100_000)
def _is_readable(part: str) -> bool:
    try:
        _ROOM.value(part)
    except CellError:
        return False
    return True
