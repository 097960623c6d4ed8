"""One spelling for each building, unit and room: 3号楼 beside 3, or 0501 beside 501, would be two households for one.

Harmless differences are folded when a cell is read (`imports.cells.parse_place`). What stands here concerns spellings
that are two texts for one place, and are refused where both of them occur.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import takewhile
from unicodedata import normalize

from imports.damage import AS_TEXT, fold_place
from imports.tables import Table
from store.registry.upsert import CellValue

Place = tuple[str, ...]
"""A community and the first one, two or three of building, unit and room."""

PARTS = ("building", "unit", "room")

_NOUN = re.compile(r"(?<=.)(#|号)?(楼|栋|幢|座|单元|门|室|房|户)?$")
_DIGITS_ZH = {digit: number for number, digit in enumerate("一二三四五六七八九", 1)}
_NUMBER_ZH = re.compile(r"([一二三四五六七八九]?)(十?)([一二三四五六七八九]?)")


@lru_cache(maxsize=100_000)
def canonical(part: str) -> str:
    """Return the form of a building, unit or room in which all its spellings agree."""
    text = "".join(normalize("NFKC", part).split()).upper()
    text = _NOUN.sub("", text) or text
    if (number := _NUMBER_ZH.fullmatch(text)) and text:
        tens, ten, ones = number[1], number[2], number[3]
        if ten or not ones:
            return str((_DIGITS_ZH.get(tens, 1) * 10 if ten else _DIGITS_ZH[tens]) + _DIGITS_ZH.get(ones, 0))
    return text.lstrip("0") or text


def canonical_place(place: Place) -> Place:
    """Return a place with the canonical form of each part behind the community."""
    return (place[0], *map(canonical, place[1:]))


class Spellings:
    """The spellings of places: those of the registry first, then those of the lines of an import."""

    def __init__(self, registered: Iterable[Place]) -> None:
        """Learn the registered households; two spellings of one place that are registered both stay valid."""
        self._spelt: dict[Place, Place] = {}
        self._settled: set[Place] = set()  # registered, or yielded as a fault before
        for place in registered:
            for prefix in _prefixes(place):
                self._settled.add(prefix)
                self._spelt.setdefault(canonical_place(prefix), prefix)

    def known(self, place: Place) -> Place | None:
        """Return the known spelling of a place, or None."""
        return self._spelt.get(canonical_place(place))

    def faults(self, place: Place) -> Iterator[tuple[str, str]]:
        """Learn a place; yield the first of its parts that is spelt in another way than before, once for each way."""
        for prefix in _prefixes(place):
            if prefix in self._settled:
                continue
            known = self._spelt.setdefault(canonical_place(prefix), prefix)
            if known[-1] != prefix[-1]:
                self._settled.add(prefix)
                yield PARTS[len(prefix) - 2], difference(prefix[-1], known[-1])
                return


def respell(table: Table, registered: Iterable[Place]) -> Table:
    """Return the table with the registered spelling of places that were registered before cells were folded.

    Otherwise the same file would register the household of A 栋 again as one of A栋.
    """
    known = {prefix for place in registered for prefix in _prefixes(place)}
    former = {(place[0], *map(fold_place, place[1:])): place for place in known}
    former = {folded: place for folded, place in former.items() if folded not in known}
    names = [column.name for column in table.columns]
    if not former or "building" not in names:
        return table
    at = [names.index(name) for name in ("community", *PARTS) if name in names]

    def respelt(row: tuple[CellValue, ...]) -> tuple[CellValue, ...]:
        place = tuple(str(row[position]) for position in takewhile(row.__getitem__, at))
        by_position = dict(zip(at, former.get(place, ()), strict=False))
        return tuple(by_position.get(position, value) for position, value in enumerate(row))

    return replace(table, values=list(map(respelt, table.values)))


def difference(part: str, known: str) -> str:
    """Return the message about two spellings of one part of a place."""
    if part.lstrip("0") == known.lstrip("0"):
        return f"“{part}” 与已有的 “{known}” 只差开头的 0（表格软件会把它去掉）：{AS_TEXT}"
    return f"“{part}” 与已有的 “{known}” 是同一处的两种写法：请统一写成 “{known}”"


def _prefixes(place: Place) -> Iterator[Place]:
    """Yield a place from its building on; parts behind an empty one do not count."""
    for length in range(2, len(place) + 1):
        if not place[length - 1]:
            return
        yield place[:length]
