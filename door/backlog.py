"""How many messages may be in flight to ingest, so that together they have a bounded number of bytes. Pure.

NATS bounds them by number alone (`max_ack_pending`). 30,000 readings are 4 MB, but 30,000 messages of a device that
sends as much as it can are 30 GB: more than the broker holds for a client, which it then cuts off.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

MOST_IN_FLIGHT = 30_000
"""The setting `max_ack_pending` of the broker."""
LEAST_IN_FLIGHT = 32
BYTES_IN_FLIGHT = 32 * 1024 * 1024
"""Ingest holds so many bytes unacknowledged, and reads on meanwhile."""

# The messages that ingest may have acknowledged until the backlog is looked at again.
_AHEAD = 5_000
# Smaller pieces are merged: a piece tells its messages' mean size only.
_PIECE_MESSAGES, _PIECE_BYTES = 1_000, 4 * 1024 * 1024
_MOST_PIECES = 2_000


@dataclass(slots=True)
class _Piece:
    """Messages in a row: the number of the last one in the stream, how many they are, and their bytes."""

    last: int
    count: int
    bytes: float


class Backlog:
    """Sizes of the messages that wait in a stream, from the oldest on, as far as its totals tell them."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()

    def note(self, first: int, last: int, size: int) -> None:
        """Note the totals of the stream now.

        Args:
            first: the number of the oldest message that waits; `last` + 1 if there is none.
            last: the number of the newest message.
            size: the bytes of all messages that wait.
        """
        pieces = self._pieces
        if pieces and last < pieces[-1].last:  # another stream has taken its place
            pieces.clear()
        while pieces and pieces[0].last < first:
            pieces.popleft()
        if pieces:
            self._shorten(pieces[0], first, size if last == pieces[-1].last else None)
        newest = pieces[-1].last if pieces else first - 1
        if last > newest:
            self._append(_Piece(last, last - newest, max(0.0, size - sum(piece.bytes for piece in pieces))))

    def window(self) -> int:
        """Return the number of messages that may be in flight, rounded down to a power of two below the greatest."""
        fitting = MOST_IN_FLIGHT
        for start in self._starts():
            fitting = min(fitting, _fitting(islice(self._pieces, start, None)))
        return fitting if fitting == MOST_IN_FLIGHT else max(LEAST_IN_FLIGHT, 1 << fitting.bit_length() >> 1)

    def _shorten(self, piece: _Piece, first: int, size: int | None) -> None:
        """Take the acknowledged messages out of the oldest piece; without new ones the size of the stream is known."""
        left = min(piece.last - first + 1, piece.count)
        rest = piece.bytes * left / piece.count
        if size is not None:
            others = sum(each.bytes for each in islice(self._pieces, 1, None))
            rest = min(max(size - others, 0.0), piece.bytes)
        piece.count, piece.bytes = left, rest

    def _append(self, piece: _Piece) -> None:
        pieces = self._pieces
        if pieces and pieces[-1].count < _PIECE_MESSAGES and pieces[-1].bytes < _PIECE_BYTES:
            piece = _merged(pieces.pop(), piece)
        pieces.append(piece)
        if len(pieces) > _MOST_PIECES:
            pairs = zip(islice(pieces, 0, None, 2), islice(pieces, 1, None, 2), strict=False)
            odd = [pieces[-1]] if len(pieces) % 2 else []
            self._pieces = deque([*(_merged(*pair) for pair in pairs), *odd])

    def _starts(self) -> Iterator[int]:
        """Yield the positions of the pieces that may be the oldest one when the backlog is looked at again."""
        ahead = 0
        for position, piece in enumerate(self._pieces):
            if ahead > _AHEAD:
                return
            yield position
            ahead += piece.count


def _fitting(pieces: Iterable[_Piece]) -> int:
    """Return the number of messages in a row that fit in flight, by the mean size of each piece."""
    count, room = 0, float(BYTES_IN_FLIGHT)
    for piece in pieces:
        if piece.bytes > room:
            return min(count + int(piece.count * room / piece.bytes), MOST_IN_FLIGHT)
        count, room = count + piece.count, room - piece.bytes
    return MOST_IN_FLIGHT


def _merged(older: _Piece, newer: _Piece) -> _Piece:
    return _Piece(newer.last, older.count + newer.count, older.bytes + newer.bytes)
