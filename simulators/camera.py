"""A video camera: a picture that depends on light and weather, recordings, and now and then a lost signal."""

import math
from collections.abc import Iterator

from simulators.device_model import Happening, Subject, Values
from simulators.local_time import DAY_S, hour_of, split, start_of
from simulators.register import Stop
from simulators.seeded_random import Chance
from simulators.weather import outdoor_c

PERIOD_S = 60
_DAYS_BETWEEN_OUTAGES = 60


def simulate(subject: Subject) -> "Camera":
    """A camera that loses its video signal for some minutes about every two months."""
    return Camera(subject)


class Camera:
    """Without a signal there is neither a picture nor a bit rate."""

    def __init__(self, subject: Subject) -> None:
        """Prepare the outages."""
        self._subject = subject
        self._outage_chance = Chance.of(subject.chance.key, "outages")

    def values(self, at: float) -> Values:
        """The picture, the recordings and the clock."""
        wobble = self._subject.chance.wobble(int(at))
        today = split(at)[0]
        video_ok = not any(lost.start <= at < lost.end for day in (today - 1, today) for lost in self._outages(day))
        dark = not 7 <= hour_of(at) < 19
        drift = self._subject.now("clock_drift", at)
        return {
            "video_ok": video_ok,
            "image_quality": round((0.78 if dark else 0.9) + 0.05 * wobble[0], 3) if video_ok else 0.0,
            "occluded": False,
            "bitrate_kbit_s": round((2600 if dark else 3800) + 400 * wobble[1]) if video_ok else 0,
            "recording_days": 35 + round(3 * self._subject.chance.number(-1), 1),
            "storage_used_percent": round(86 + 2 * self._subject.chance.number(-2), 1),
            "clock_offset_s": round(0.4 * wobble[2] + (drift.parameter("offset_s") if drift else 0), 2),
            "temperature_c": round(outdoor_c(self._subject.seed, at) + 14 + wobble[3], 1),
        }

    def happenings(self, start: float, end: float) -> Iterator[Happening]:
        """The signal that is lost and comes back."""
        for day in range(split(start)[0] - 1, split(end)[0] + 1):
            for outage in self._outages(day):
                if start <= outage.start < end:
                    yield Happening(outage.start, "video_lost", alarm=True)
                if start <= outage.end < end:
                    yield Happening(outage.end, "video_restored", alarm=True)

    def _outages(self, day: int) -> Iterator[Stop]:
        """The losses of signal of a day: the one that chance brings, and those of a camera that flaps."""
        rare = self._outage(day)
        if rare:
            yield rare
        for fault in self._subject.all("camera_flapping"):
            every_s, lost_s = fault.parameter("every_s"), fault.parameter("lost_s")
            begin, end = max(start_of(day), fault.start_s), min(start_of(day + 1), fault.end_s)
            number = math.ceil((begin - fault.start_s) / every_s)
            while (lost := fault.start_s + number * every_s) < end:
                yield Stop(lost, lost + lost_s)
                number += 1

    def _outage(self, day: int) -> Stop | None:
        """The rare outage of a day, which ends before the day does."""
        if self._outage_chance.number(day) * _DAYS_BETWEEN_OUTAGES >= 1:
            return None
        begin, length, _, _ = self._outage_chance.wobble(-1 - day)
        start = start_of(day) + (1 + begin) / 2 * (DAY_S - 3_600)
        return Stop(start, start + 300 + 1_200 * (1 + length))
