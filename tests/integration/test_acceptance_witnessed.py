"""Witnessed tests against a real database: the search for the event, and what counts."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from acceptance.document import document
from acceptance.result import Reason, Verdict
from acceptance.run import stored_form
from acceptance.witnessed import Entry, RecordRefusedError, record_test
from store.database import Connection
from store.telemetry.rejections import CountKey, count_rejections
from store.telemetry.witnessed_tests import NewWitnessedTest, insert_witnessed_test, withdraw_witnessed_test
from verified_community import (
    END,
    HOUR,
    MINUTE,
    SECOND,
    START,
    add_device,
    add_event,
    add_water_meter,
    community_of_four_flats,
    k_of_n,
    verify_community,
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Migrated database with one community of four flats."""
    with community_of_four_flats(database_url) as opened:
        yield opened


def add_test(connection, device, at, *, event="gas_leak"):
    """Record a test, and return its id."""
    test = NewWitnessedTest(
        id=uuid4(), device_id=device, event=event, triggered_at=at, tested_by="街道 王某", how="检漏气体",
        recorded_at=at + MINUTE,
    )  # fmt: skip
    assert insert_witnessed_test(connection, test)
    return test.id


def test_a_leak_without_a_record_is_no_evidence(connection):
    gas = add_device(connection, "gas-101", "gas_meter", "101")
    add_event(connection, gas, "gas_leak", START + HOUR, SECOND)
    _, results = verify_community(connection)
    assert results["gas.leak_delivery"].verdict is Verdict.INSUFFICIENT_DATA
    assert results["gas.leak_delivery"].reason is Reason.NO_TESTS


def test_a_community_without_gas_is_not_concerned_by_leaks(connection):
    add_water_meter(connection, "101")
    report, results = verify_community(connection)
    assert results["gas.leak_delivery"].verdict is Verdict.NOT_APPLICABLE
    stored = dict(
        connection.execute(
            "SELECT criterion, verdict FROM verification_result WHERE verification_id = %s", (stored_form(report).id,)
        ).fetchall()
    )
    assert stored["gas.leak_delivery"] == "not_applicable"


@pytest.mark.parametrize(
    ("stamped", "received", "arrived"),
    [
        (1, 2, True),
        (1, 30, True),
        (1, 30.001, False),
        (-29, -29, True),  # the person wrote the time down after acting
        (-31, -30, False),
        (-299, 5, True),  # the device's clock is five minutes slow
        (-301, 5, False),  # an old alarm that happens to come now
    ],
)
def test_a_test_finds_its_event_within_the_limit(connection, stamped, received, arrived):
    gas = add_device(connection, "gas-101", "gas_meter", "101")
    at = START + HOUR
    add_test(connection, gas, at)
    add_event(connection, gas, "gas_leak", at + stamped * SECOND, (received - stamped) * SECOND)
    _, results = verify_community(connection)
    assert k_of_n(results["gas.leak_delivery"]) == (int(arrived), 1)


def test_a_test_finds_no_event_of_another_device_or_name(connection):
    gas, other = (add_device(connection, f"gas-{room}", "gas_meter", room) for room in ("101", "102"))
    add_test(connection, gas, START + HOUR)
    add_event(connection, other, "gas_leak", START + HOUR, SECOND)
    add_event(connection, gas, "gas_leak_cleared", START + HOUR, SECOND)
    _, results = verify_community(connection)
    assert k_of_n(results["gas.leak_delivery"]) == (0, 1)
    assert results["gas.leak_delivery"].verdict is Verdict.FAIL


def test_n_is_what_was_recorded_in_the_window(connection):
    gas = add_device(connection, "gas-101", "gas_meter", "101")
    for at in (START - MINUTE, START, START + HOUR, START + HOUR + MINUTE, END - MINUTE, END):
        add_test(connection, gas, at)
    for at in (START, START + HOUR):
        add_event(connection, gas, "gas_leak", at, SECOND)
    report, results = verify_community(connection)
    assert k_of_n(results["gas.leak_delivery"]) == (2, 4)
    assert len(document(report)["witnessed_tests"]) == 4


def test_a_withdrawn_test_counts_for_nothing(connection):
    gas = add_device(connection, "gas-101", "gas_meter", "101")
    add_test(connection, gas, START + HOUR)
    wrong = add_test(connection, gas, START + 2 * HOUR)
    add_event(connection, gas, "gas_leak", START + HOUR, SECOND)
    facts = {"at": END, "by": "李某", "because": "记错了设备"}
    assert withdraw_witnessed_test(connection, wrong, **facts)
    assert not withdraw_witnessed_test(connection, wrong, **facts)
    report, results = verify_community(connection)
    assert k_of_n(results["gas.leak_delivery"]) == (1, 1)
    assert [each["result"] for each in document(report)["witnessed_tests"]] == ["delivered", "withdrawn"]


def test_tests_of_one_alarm_are_a_minute_apart(connection):
    gas = add_device(connection, "gas-101", "gas_meter", "101")
    add_test(connection, gas, START + HOUR)
    for distance, stored in ((0, False), (59, False), (-59, False), (60, True), (-60, True)):
        at = START + HOUR + distance * SECOND
        test = NewWitnessedTest(
            id=uuid4(), device_id=gas, event="gas_leak", triggered_at=at, tested_by="王", how="检漏", recorded_at=END
        )
        assert insert_witnessed_test(connection, test) is stored


def test_nothing_of_a_withdrawn_device_is_counted_or_listed(connection):
    gas = add_device(connection, "gas-101", "gas_meter", "101")
    add_test(connection, gas, START + HOUR)
    connection.execute("UPDATE device SET withdrawn_at = %s WHERE id = %s", (END, gas))
    count_rejections(connection, {CountKey(START, "c", "gas_meter", "rate_limited", gas): 3})
    report, results = verify_community(connection)
    assert results["gas.leak_delivery"].verdict is Verdict.NOT_APPLICABLE
    assert document(report)["witnessed_tests"] == []
    assert (document(report)["refused"]["total"], document(report)["refused"]["devices"]) == (3, [])
    entry = Entry(community="c", device="gas-101", event=None, triggered_at=END, by="王某", how="检漏气体")
    with pytest.raises(RecordRefusedError, match="已经注销"):
        record_test(connection, entry, END)
