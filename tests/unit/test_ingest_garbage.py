import gc

import pytest
from prometheus_client import REGISTRY

from ingest.garbage import CollectionTimer


@pytest.fixture
def timer():
    timer = CollectionTimer()
    timer.start()
    yield timer
    gc.callbacks.pop()


def counted():
    return REGISTRY.get_sample_value("anju_gc_pause_seconds_count")


def test_each_collection_counts_once(timer):
    gc.disable()
    before = counted()
    gc.collect()
    gc.collect()
    timer.report()
    timer.report()
    gc.enable()
    assert counted() == before + 2


def test_a_collection_is_counted_only_when_reported_because_a_metric_may_be_locked_during_it(timer):
    gc.disable()
    before = counted()
    gc.collect()
    meanwhile = counted()
    gc.enable()
    assert meanwhile == before
