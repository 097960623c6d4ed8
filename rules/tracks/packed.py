"""How tracks keep what they know: as bytes, because there may be 400,000 of each.

The same numbers as a tuple would take four times the memory, and the garbage collector would go through all of them.
"""

from base64 import urlsafe_b64decode

from rules.condition import State


def from_text(stored: str) -> State:
    """The bytes that were stored as text in JSON."""
    return urlsafe_b64decode(stored)
