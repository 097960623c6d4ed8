"""Natural order of places: building 2 before building 10."""

import re

_DIGITS = re.compile(r"(\d+)")

PlaceOrder = tuple[tuple[tuple[int, str], ...], ...]


def place_order(*parts: str) -> PlaceOrder:
    """Return a sort key for building, unit and room (or any ids) that compares digits as numbers."""
    return tuple(
        tuple((int(piece), piece) if piece.isdecimal() else (0, piece) for piece in _DIGITS.split(part))
        for part in parts
    )
