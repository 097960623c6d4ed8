"""Messages that come twice, late and in any order are stored and evaluated once."""

import random

import pytest

from patience import patient

HOUR_MS = 3_600_000
MESSAGES = 20_000
REACH = 500


@pytest.mark.chaos
def test_messages_that_come_twice_late_and_in_any_order(stage, request):
    """Twice, as from a device without its PUBACK; late, as from a gateway after an hour without a connection."""
    order = tumbled(MESSAGES, random.Random(request.config.getoption("randomly_seed")))
    with stage.load():
        stage.publisher(rate=None, total=MESSAGES, ahead_ms=-HOUR_MS, order=order.__getitem__).join(patient(60))
    stage.must_be_whole("messages an hour late, out of order, a fifth of them twice", times=MESSAGES)


def tumbled(total, dice):
    """Return numbers at a limited distance from their own places, and a fifth of them a second time."""
    once = range(total * 5 // 6)
    return sorted([*once, *dice.sample(once, total - len(once))], key=lambda n: n + dice.uniform(-REACH, REACH))
