"""Refused logins of late, by device and by address: their growing delays, and their lines in the log.

A right secret is accepted at once, however many wrong ones came before it, so that no guesser locks a device out. A
wrong one is refused later and later, and one after the other: each device and each address has one queue of refusals.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 3.0
"""The broker refuses by itself after 10 s, without a reason."""

_FORGET_AFTER_S = 600.0
_LINE_EVERY_S = 60.0
_LINES_AT_ONCE = 60
# More would be a way to fill the memory of the door with addresses.
_MOST_ENTRIES = 20_000


@dataclass(slots=True)
class _Entry:
    """Refusals of one device or address: all of late, those since the last line, and the time of the last answer."""

    refusals: int = 0
    unreported: int = 0
    last_at: float = 0.0
    answer_at: float = float("-inf")
    line_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusal to be answered after `delay_s`; `device` and `address` count those since their last line in the log.

    Without `is_reported` there is no line now. A registered device has lines of its own: an installer whose twelve
    meters log in from one address sees each of them.
    """

    delay_s: float
    device: int
    address: int
    is_reported: bool


class Guesses:
    """Refused logins of the last ten minutes; no delay is longer than `longest_delay_s`."""

    def __init__(self, longest_delay_s: float = LONGEST_DELAY_S) -> None:
        self._longest_delay_s = longest_delay_s
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lines = float(_LINES_AT_ONCE)
        self._lines_at = float("-inf")

    def __len__(self) -> int:
        return len(self._entries)

    def refuse(self, device: str, address: str, now: float) -> Refused:
        """Count a refused login and return its delay.

        Args:
            device: the username if it is that of a registered device, else empty.
            address: the address of the client.
            now: a monotonic time, in seconds.
        """
        by_device = self._count(device, now) if device else _Entry()
        by_address = self._count(_network_of(address), now)
        answer_at = max(_answer_at(by_device, now), _answer_at(by_address, now))
        delay_s = min(answer_at - now, self._longest_delay_s)
        by_device.answer_at = by_address.answer_at = now + delay_s
        last_line_at = (by_device if device else by_address).line_at
        is_reported = last_line_at + _LINE_EVERY_S <= now and self._take_line(now)
        refused = Refused(delay_s, by_device.unreported, by_address.unreported, is_reported)
        if is_reported:
            for entry in (by_device, by_address):
                entry.unreported, entry.line_at = 0, now
        return refused

    def _count(self, key: str, now: float) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        if now - entry.last_at > _FORGET_AFTER_S:
            entry.refusals = 0
        entry.refusals += 1
        entry.unreported += 1
        entry.last_at = now
        while len(self._entries) > _MOST_ENTRIES or self._oldest().last_at < now - _FORGET_AFTER_S:
            self._entries.popitem(last=False)
        return entry

    def _oldest(self) -> _Entry:
        return next(iter(self._entries.values()))

    def _take_line(self, now: float) -> bool:
        """Return whether a log line may be written: one a second in the long run."""
        self._lines = min(self._lines + max(now - self._lines_at, 0.0), float(_LINES_AT_ONCE))
        self._lines_at = now
        if self._lines < 1:
            return False
        self._lines -= 1
        return True


def _answer_at(entry: _Entry, now: float) -> float:
    """Return the time of the next answer, after the last one of this device or address."""
    if not entry.refusals:
        return now
    delay_s = min(FIRST_DELAY_S * 2.0 ** min(entry.refusals - 1, 16), LONGEST_DELAY_S)
    return max(now, entry.answer_at) + delay_s


def _network_of(address: str) -> str:
    """Return the address, or of IPv6 the network of one customer (/64, RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
