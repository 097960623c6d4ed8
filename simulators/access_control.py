"""Door control at the entrance of a building unit: people come and go, and sometimes the door does not do its part."""

from collections.abc import Iterator
from functools import lru_cache

from simulators.device_model import Happening, Subject, Values
from simulators.local_time import is_weekend
from simulators.register import DailySum, Ledger, Register, Stop, merged
from simulators.seeded_random import Chance
from simulators.traffic import Passage, Traffic
from simulators.weather import outdoor_c

PERIOD_S = 60
_SLOT_S = 20
_WORKING_DAY = (1, 1, 1, 1, 1, 3, 10, 14, 9, 5, 5, 8, 8, 5, 5, 6, 9, 14, 14, 11, 8, 5, 3, 1)
_WEEKEND = (1, 1, 1, 1, 1, 2, 5, 7, 10, 11, 11, 10, 8, 8, 9, 10, 10, 11, 11, 10, 8, 6, 4, 2)
_METHODS = ("card", "face", "phone", "password", "intercom", "button")
_METHOD_WEIGHTS = (20, 35, 15, 4, 6, 20)
_IDENTIFYING = frozenset({"card", "face", "phone", "password"})
_REFUSED_IN = 60


def simulate(subject: Subject) -> "AccessControl":
    """A door that some dozen households use."""
    return AccessControl(subject)


class AccessControl:
    """Each passage unlocks the door, opens it and lets it close; one in sixty attempts is refused first."""

    def __init__(self, subject: Subject) -> None:
        """Prepare the traffic and its counter."""
        self._subject = subject
        ledger = Ledger(_expectation(), 40 + 40 * subject.chance.number(-1), 0.3, subject.chance)
        self._traffic = Traffic(ledger, _hours, Chance.of(subject.chance.key, "passages"), _SLOT_S)
        self._open = merged(
            Stop(fault.start_s, fault.end_s) for fault in subject.all("door_forced") + subject.all("door_held_open")
        )
        # Nobody needs to unlock a door that stands open.
        self._unlocks = Register(self._traffic.count, steps=1, stops=self._open)
        self._refusals = Register(lambda at: self._traffic.count(at) // _REFUSED_IN, steps=1, stops=self._open)

    def values(self, at: float) -> Values:
        """The door, its counters and its supply."""
        wobble = self._subject.chance.wobble(int(at))
        door_open = self._stands_open(at) or any(
            _opened(passage) <= at < self._closed(passage) for passage in self._traffic.between(at - _SLOT_S, at)
        )
        lost = self._subject.now("power_lost", at)
        drained_v = 0.0 if lost is None else lost.lasted_s(at) / 3600 * 0.2
        flat_v = 2.7 if self._subject.now("battery_low", at) else 0.0
        return {
            "door_open": door_open,
            "locked": not door_open,
            "unlocks": int(self._unlocks.read(at)),
            "unlock_failures": int(self._refusals.read(at)),
            "unlock_latency_s": round(0.6 + 0.25 * wobble[0], 2),
            "backup_battery_v": round(max(13.3 - drained_v - flat_v + 0.05 * wobble[1], 0.0), 2),
            "mains_ok": lost is None,
            "temperature_c": round(outdoor_c(self._subject.seed, at) * 0.6 + 12 + wobble[2], 1),
        }

    def happenings(self, start: float, end: float) -> Iterator[Happening]:
        """What the passages and the faults make the door report."""
        for passage in self._traffic.between(start - _SLOT_S, end):
            for happening in self._steps(passage):
                # From the instant a fault opens the door until it closes, passages go unnoticed.
                if start <= happening.at < end and not self._in_fault(happening.at):
                    yield happening
        for happening in self._alarms():
            if start <= happening.at < end:
                yield happening

    def _steps(self, passage: Passage) -> Iterator[Happening]:
        generator = self._subject.chance.generator(passage.number)
        (method,) = generator.choices(_METHODS, _METHOD_WEIGHTS)
        data = {"method": method}
        if method in _IDENTIFYING:
            data["user"] = f"resident-{generator.randrange(36):02d}"
        # `number` counts from 0, so this is the passage that makes the count a multiple.
        if (passage.number + 1) % _REFUSED_IN == 0:
            yield Happening(passage.at, "unlock_refused", {"method": "face"})
        yield Happening(passage.at, "unlocked", data)
        yield Happening(_opened(passage), "door_opened")
        yield Happening(self._closed(passage), "door_closed")

    def _closed(self, passage: Passage) -> float:
        return _opened(passage) + 3 + 8 * self._subject.chance.number(passage.number)

    def _in_fault(self, at: float) -> bool:
        return any(stop.start < at <= stop.end for stop in self._open)

    def _stands_open(self, at: float) -> bool:
        return any(stop.start <= at < stop.end for stop in self._open)

    def _alarms(self) -> Iterator[Happening]:
        for fault in self._subject.all("door_forced"):
            yield Happening(fault.start_s, "door_forced", alarm=True)
        for fault in self._subject.all("door_held_open"):
            noticed = fault.start_s + fault.parameter("hold_s")
            if noticed < fault.end_s:
                yield Happening(noticed, "door_held_open", alarm=True)
        for stop in self._open:
            yield Happening(stop.start, "door_opened")
            yield Happening(stop.end, "door_closed", alarm=True)


def _opened(passage: Passage) -> float:
    return passage.at + 1.2


def _hours(day: int) -> tuple[int, ...]:
    return _WEEKEND if is_weekend(day) else _WORKING_DAY


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """The expected passages of days, near 1."""
    return DailySum(lambda day: 0.9 if is_weekend(day) else 1.05)
