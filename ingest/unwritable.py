"""Search for the messages of a batch that cannot be written. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ingest.receiver import Message


class Unwritable(NamedTuple):
    """A message that cannot be written, and the error."""

    message: Message
    error: Exception


def find_unwritable(messages: list[Message], error_of: Callable[[list[Message]], Exception | None]) -> list[Unwritable]:
    """Return the messages at fault, in order, by halving: for each about twice the logarithm of their number of tries.

    Args:
        messages: Messages, one at least.
        error_of: Returns the error of writing some messages together; None if that works.
    """
    error = error_of(messages)
    if error is None:
        return []
    if len(messages) == 1:
        return [Unwritable(messages[0], error)]
    return [one for half in _halves(messages) for one in find_unwritable(half, error_of)]


def rest_of(messages: list[Message], unwritable: Sequence[Unwritable]) -> list[list[Message]]:
    """Return the parts of a failed batch to write next, in order.

    That is the batch without the messages at fault, or its halves if none was found: then the cause is another one.
    """
    if not unwritable:
        return list(_halves(messages))
    at_fault = {id(one.message) for one in unwritable}
    rest = [message for message in messages if id(message) not in at_fault]
    return [rest] if rest else []


def _halves(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    half = len(messages) // 2
    return messages[:half], messages[half:]
