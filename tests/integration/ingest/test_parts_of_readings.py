"""Readings of one device and time: parts of one reading are evaluated as a whole, and contradictions are not lost."""

import json

import pytest

from ingest_site import COMMUNITY, MINUTE, START, alerts_of
from running import epoch_ms, query


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_reading_that_comes_in_parts_is_evaluated_as_a_whole(site, batches, reverse):
    topic = f"anju/v1/{COMMUNITY}/electricity_meter/electricity-meter/telemetry"
    parts = [{"energy_kwh": 100.0}, {"voltage_v": 305.0}]
    messages = [
        (topic, json.dumps({"ts": epoch_ms(START.timestamp()), "values": values}).encode())
        for values in (parts[::-1] if reverse else parts)
    ]
    for batch in [messages] if batches == 1 else [[message] for message in messages]:
        site.write(batch, START)
    site.begin(START + MINUTE)
    for message in messages:  # a redelivery
        site.write([message], START + MINUTE)
    ((rule, process, opened_at, *_),) = alerts_of(site)
    assert (rule, process, opened_at) == ("electricity_neutral_fault", "active", START)


@pytest.mark.parametrize("batches", [1, 2])
def test_a_danger_from_a_clock_that_stands_still_is_raised_at_its_arrival(site, batches):
    topic = f"anju/v1/{COMMUNITY}/ebike_charger/ebike-charger/telemetry"

    def message(*, smoke):
        return topic, json.dumps({"ts": epoch_ms(START.timestamp()), "values": {"smoke": smoke}}).encode()

    if batches == 1:
        site.write([message(smoke=False), message(smoke=True)], START)
    else:
        site.write([message(smoke=False)], START)
        site.write([message(smoke=True)], START + MINUTE)
    site.write([message(smoke=False)], START + 2 * MINUTE)
    ((rule, process, opened_at, historical, text),) = alerts_of(site)
    assert (rule, process, historical) == ("ebike_smoke", "active", False)
    assert opened_at == START + (batches - 1) * MINUTE
    assert "设备报的时间不对，发生时间按收到时间计" in text
    assert query(site.url, "SELECT smoke FROM telemetry_ebike_charger") == [(False,)]
