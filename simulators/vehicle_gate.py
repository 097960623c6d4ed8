"""Vehicle gate that reads number plates of residents, visitors and deliveries."""

import random
from collections.abc import Iterator
from functools import lru_cache

from devices.kind import Value
from simulators.device_model import DeviceSetup, ModelEvent, Values
from simulators.faults import Fault
from simulators.local_time import is_weekend, local_hour
from simulators.register import DailyRegister, DailySum, Register, fault_spans
from simulators.seeded_random import SeededRandom
from simulators.traffic import Passage, Traffic
from simulators.weather import outdoor_c

PERIOD_S = 60
_SLOT_S = 12
_BARRIER_UP_S = 6.0
_WORKING_DAY = (1, 1, 1, 1, 1, 3, 8, 14, 10, 6, 6, 8, 7, 6, 6, 7, 10, 14, 13, 9, 7, 5, 3, 1)
_WEEKEND = (1, 1, 1, 1, 1, 2, 4, 7, 10, 11, 11, 10, 8, 8, 9, 10, 11, 12, 11, 9, 7, 5, 3, 2)
_RECOGNISED = 0.985
_RESIDENT_CARS = 240
# Plates have neither I nor O, which look like digits (GA 36-2018).
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_CHARACTERS = "0123456789" + _LETTERS


def simulate(setup: DeviceSetup) -> "VehicleGate":
    """Return a gate of a community with some hundred cars; it recognises 985 of 1000 passes."""
    return VehicleGate(setup)


class VehicleGate:
    """Gate that counts the planned passes; nothing passes while the barrier is stuck."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Prepare the traffic and its counters."""
        self._setup = setup
        daily_register = DailyRegister(_expectation(), 350 + 250 * setup.random.fraction(-1), 0.25, setup.random)
        self._traffic = Traffic(daily_register, _hour_weights, SeededRandom.of(setup.random.key, "passages"), _SLOT_S)
        self._stuck = fault_spans(setup.faults_of("barrier_stuck"))
        self._passes = Register(self._traffic.count, steps=1, standstills=self._stuck)
        self._misreads = setup.faults_of("gate_misreads")
        self._recognised = Register(self._count_recognised, steps=1, standstills=self._stuck)

    def values(self, at: float) -> Values:
        """Return the counters, the barrier and the queue."""
        noise = self._setup.random.noise(int(at))
        barrier_fault = self._setup.active_fault("barrier_stuck", at)
        passing = next(self._traffic.between(at - _BARRIER_UP_S, at), None)
        rush = _hour_weights(0)[int(local_hour(at))] / 7
        waiting = (
            max(0, round(rush * (0.5 + noise[1])))
            if barrier_fault is None
            else 1 + int(barrier_fault.elapsed_s(at) / 90) % 12
        )
        return {
            "passes": int(self._passes.read(at)),
            "passes_recognised": int(self._recognised.read(at)),
            "barrier_state": "stuck" if barrier_fault else "up" if passing else "down",
            "queue_vehicles": waiting,
            "camera_ok": True,
            "temperature_c": round(outdoor_c(self._setup.seed, at) + 6 + noise[2], 1),
        }

    def events(self, start: float, end: float) -> Iterator[ModelEvent]:
        """Yield each pass, and the faults of the barrier."""
        for passage in self._traffic.between(start, end):
            if not any(span.start < passage.at <= span.end for span in self._stuck):
                yield ModelEvent(passage.at, "vehicle_passed", self._pass_data(passage))
        for span in self._stuck:
            if start <= span.start < end:
                yield ModelEvent(span.start, "barrier_stuck", with_reading=True)
            if start <= span.end < end:
                yield ModelEvent(span.end, "barrier_restored", with_reading=True)

    def _count_recognised(self, at: float) -> int:
        """Return the number of recognised passes up to an instant; a fault `gate_misreads` lowers it."""
        missed = sum(
            self._count_missed(fault, self._traffic.count(min(at, fault.end_s)))
            for fault in self._misreads
            if at > fault.start_s
        )
        return _recognised_among(self._traffic.count(at)) - missed

    def _count_missed(self, fault: Fault, count: int) -> int:
        """Return how many of the first `count` passes a fault misses, if it lasts for all passes after its start."""
        first = self._traffic.count(fault.start_s)
        recognised = _recognised_among(count) - _recognised_among(first)
        return recognised - int(recognised * fault.parameter("read_percent") / 100)

    def _is_missed(self, passage: Passage) -> bool:
        return any(
            self._count_missed(fault, passage.number + 1) > self._count_missed(fault, passage.number)
            for fault in self._misreads
            if fault.active(passage.at)
        )

    def _pass_data(self, passage: Passage) -> dict[str, Value]:
        generator = self._setup.random.generator(passage.number)
        leaves = 0.8 if local_hour(passage.at) < 10 else 0.4
        direction = "out" if generator.random() < leaves else "in"
        if _recognised_among(passage.number + 1) == _recognised_among(passage.number) or self._is_missed(passage):
            confidence = round(generator.uniform(0.2, 0.6), 3)
            return {"direction": direction, "recognised": False, "confidence": confidence}
        plate = self._plate(generator)
        confidence = round(generator.triangular(0.88, 1, 0.985), 3)
        return {"plate": plate, "direction": direction, "recognised": True, "confidence": confidence}

    def _plate(self, generator: random.Random) -> str:
        """Return an invented plate: of a resident in four of five passes, of a visitor otherwise."""
        if generator.random() < 0.8:
            car = generator.randrange(_RESIDENT_CARS)
            generator = SeededRandom.of(self._setup.seed, self._setup.device.community, "cars").generator(car)
        if generator.random() < 0.25:  # new-energy cars have six characters, the first of them D or F
            return "蒙K" + generator.choice("DF") + "".join(generator.choices("0123456789", k=5))
        return "蒙K" + generator.choice(_LETTERS) + "".join(generator.choices(_CHARACTERS, k=4))


def _recognised_among(passes: float) -> int:
    """Return how many of the first passes are recognised without a fault."""
    return int(passes * _RECOGNISED)


def _hour_weights(day: int) -> tuple[int, ...]:
    return _WEEKEND if is_weekend(day) else _WORKING_DAY


@lru_cache(maxsize=1)
def _expectation() -> DailySum:
    """Return the expected passes of the days, relative to the average."""
    return DailySum(lambda day: 0.85 if is_weekend(day) else 1.06)
