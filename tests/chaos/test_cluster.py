"""Three nodes of the broker: one after the other is killed, or stands still as if it had been cut off."""

import os
import random
import signal
import time

import pytest

from local.services import BrokerName, start_services


@pytest.fixture
def services(tmp_path):
    with start_services(tmp_path / "data", print, BrokerName.NATS_CLUSTER) as services:
        yield services


def kill(node, pause_s):
    node.kill()
    time.sleep(pause_s)
    node.start()


def cut_off(node, pause_s):
    """Let the others hear nothing of the node, while its connections stay open."""
    os.killpg(node.pid, signal.SIGSTOP)
    try:
        time.sleep(pause_s)
    finally:
        os.killpg(node.pid, signal.SIGCONT)
    node.wait_ready(60)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("fault", "longest_s"), [(kill, 10), (cut_off, 60)])
def test_a_cluster_of_which_one_node_is_away_loses_and_doubles_nothing(stage, request, fault, longest_s):
    seconds = request.config.getoption("chaos_seconds") / 2
    dice = random.Random(request.config.getoption("randomly_seed"))
    until, faults = time.monotonic() + seconds, 0
    with stage.load():
        while time.monotonic() < until:
            fault(dice.choice(stage.services.nodes), dice.uniform(0, longest_s))
            time.sleep(dice.uniform(0, 8))
            faults += 1
    name = "kills -9" if fault is kill else "cuts"
    stage.must_be_whole(f"{faults} {name} of one of three nodes within {seconds:g} s", timeout_s=300)
