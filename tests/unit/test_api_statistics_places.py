"""Places of statistics: two at once, and a third is told to come back."""

import pytest

from api import statistics
from api.statistics import TooManyStatisticsProblem


def test_a_third_request_waits_and_is_then_refused(monkeypatch):
    monkeypatch.setattr(statistics, "_WAIT_S", 0.01)
    first, second, third = (statistics._take_place() for _ in range(3))  # noqa: SLF001
    next(first)
    next(second)
    with pytest.raises(TooManyStatisticsProblem) as refusal:
        next(third)
    assert refusal.value.status == 503
    assert refusal.value.headers["Retry-After"]
    first.close()
    again = statistics._take_place()  # noqa: SLF001
    next(again)
    again.close()
    second.close()
