"""Three nodes of the broker, some of them killed, stopped as if cut off, or without their disk."""

import os
import random
import shutil
import signal
import time

import pytest

from database_roles import let_tests_create
from local.brokers.nats_cluster import open_nats_cluster
from local.process import start_together
from local.services import start_services


@pytest.fixture
def services(tmp_path):
    with start_services(tmp_path / "data", print, open_nats_cluster) as services:
        let_tests_create(services.superuser_url)
        yield services


def kill(nodes, dice):
    node = dice.choice(nodes)
    node.kill()
    time.sleep(dice.uniform(0, 10))
    node.start()


def cut_off(nodes, dice):
    """Stop a node, so that the others receive nothing from it, while its connections stay open."""
    node = dice.choice(nodes)
    os.killpg(node.pid, signal.SIGSTOP)
    try:
        time.sleep(dice.uniform(0, 60))
    finally:
        os.killpg(node.pid, signal.SIGCONT)
    node.wait_ready(60)


def kill_two(nodes, dice):
    """Leave one node, which can't work alone."""
    two = dice.sample(nodes, 2)
    for node in two:
        node.kill()
    time.sleep(dice.uniform(0, 10))
    start_together(two)


def lose_a_disk(nodes, dice):
    node = dice.choice(nodes)
    node.kill()
    shutil.rmtree(node.part.cwd / "jetstream" / "jetstream")
    time.sleep(dice.uniform(0, 10))
    node.start()


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", [kill, cut_off, kill_two, lose_a_disk])
def test_a_cluster_loses_and_doubles_nothing(stage, request, fault):
    seconds = request.config.getoption("chaos_seconds") / 4
    dice = random.Random(request.config.getoption("randomly_seed"))
    until, times = time.monotonic() + seconds, 0
    with stage.load():
        while time.monotonic() < until:
            fault(stage.services.nodes, dice)
            time.sleep(dice.uniform(0, 8))
            times += 1
    name = fault.__name__.replace("_", " ")
    stage.must_be_whole(f"cluster of three nodes for {seconds:g} s: {name}", times=times, timeout_s=300)
