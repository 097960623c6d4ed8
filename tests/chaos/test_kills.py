"""kill -9 of every part loses and duplicates nothing."""

import random
import time

import pytest

PARTS = ("ingest", "broker", "postgres")


def part(stage, name):
    return stage.ingest if name == "ingest" else getattr(stage.services, name)


@pytest.mark.chaos
@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_killed_and_started_again_loses_and_doubles_nothing(stage, name):
    with stage.load():
        part(stage, name).kill()
        time.sleep(2)
        part(stage, name).start()
    stage.must_be_whole(f"kill -9 of {name}")


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_kills_in_random_order_lose_and_double_nothing(stage, request):
    seconds = request.config.getoption("chaos_seconds")
    dice = random.Random(request.config.getoption("randomly_seed"))
    until, kills = time.monotonic() + seconds, 0
    with stage.load():
        while time.monotonic() < until:
            victim = part(stage, dice.choice(PARTS))
            victim.kill()
            time.sleep(dice.uniform(0, 3))
            victim.start()
            time.sleep(dice.uniform(0, 8))
            kills += 1
    stage.must_be_whole(f"kill -9 of each in random order for {seconds:g} s", times=kills, timeout_s=300)
