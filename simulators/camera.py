"""Video camera: a picture that depends on light and weather, recordings, and a signal that is lost at times."""

import math
from collections.abc import Iterator

from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.local_time import DAY_S, day_and_second, local_hour, start_of
from simulators.register import TimeSpan, any_contains
from simulators.seeded_random import SeededRandom
from simulators.weather import outdoor_c

PERIOD_S = 60
_DAYS_BETWEEN_OUTAGES = 60


def simulate(setup: DeviceSetup) -> "Camera":
    """Return a camera that loses its video signal for some minutes about every two months."""
    return Camera(setup)


class Camera:
    """Camera; without a signal it has neither a picture nor a bit rate."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the random numbers of the outages."""
        self._setup = setup
        self._random = SeededRandom.of(setup.random.key, "outages")

    def values(self, at: float) -> Values:
        """Return the quality of the picture, the recordings and the clock."""
        noise = self._setup.random.noise(int(at))
        today = day_and_second(at)[0]
        video_ok = not any(any_contains(self._outages(day), at) for day in (today - 1, today))
        dark = not 7 <= local_hour(at) < 19
        drift = self._setup.active_fault("clock_drift", at)
        return {
            "video_ok": video_ok,
            "image_quality": round((0.78 if dark else 0.9) + 0.05 * noise[0], 3) if video_ok else 0.0,
            "occluded": False,
            "bitrate_kbit_s": round((2600 if dark else 3800) + 400 * noise[1]) if video_ok else 0,
            "recording_days": 35 + round(3 * self._setup.random.fraction(-1), 1),
            "storage_used_percent": round(86 + 2 * self._setup.random.fraction(-2), 1),
            "clock_offset_s": round(0.4 * noise[2] + (drift.parameter("offset_s") if drift else 0), 2),
            "temperature_c": round(outdoor_c(self._setup.seed, at) + 14 + noise[3], 1),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield the losses and returns of the signal."""
        for day in range(day_and_second(start)[0] - 1, day_and_second(end)[0] + 1):
            for outage in self._outages(day):
                if start <= outage.start < end:
                    yield ModelEvent(outage.start, "video_lost", with_reading=True)
                if start <= outage.end < end:
                    yield ModelEvent(outage.end, "video_restored", with_reading=True)

    def _outages(self, day: int) -> Iterator[TimeSpan]:
        """Yield the losses of the signal on a day: a rare random one, and those of the fault `camera_flapping`."""
        random_outage = self._random_outage(day)
        if random_outage:
            yield random_outage
        for fault in self._setup.faults_of("camera_flapping"):
            every_s, lost_s = fault.parameter("every_s"), fault.parameter("lost_s")
            begin, end = max(start_of(day), fault.start_s), min(start_of(day + 1), fault.end_s)
            number = math.ceil((begin - fault.start_s) / every_s)
            while (lost_at := fault.start_s + number * every_s) < end:
                yield TimeSpan(lost_at, lost_at + lost_s)
                number += 1

    def _random_outage(self, day: int) -> TimeSpan | None:
        """Return the random outage of a day, which ends before the day does; None on most days."""
        if self._random.fraction(day) * _DAYS_BETWEEN_OUTAGES >= 1:
            return None
        begin, length, _, _ = self._random.noise(-1 - day)
        start = start_of(day) + (1 + begin) / 2 * (DAY_S - 3_600)
        return TimeSpan(start, start + 300 + 1_200 * (1 + length))
