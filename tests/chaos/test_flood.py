"""A device that floods delays no other, and loses nothing of its own within its bound."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import quantiles

import psycopg
import pytest

from benchmarks import load
from benchmarks.traffic import TIME, Round
from ingest.spool import DEVICE_SHARE
from patience import eventually, slowness
from running import Ingest, epoch_ms, forget_session, query, reading, register
from simulators.publisher import Publisher
from stage import Outcome
from store.admin.migrate import migrate

COMMUNITY = "honglang"
TOPIC = f"anju/v1/{COMMUNITY}/water_meter/%s/telemetry"
ITEMS = 8001
ARRAY = b"[" + b"1," * (ITEMS - 1) + b"1]"
EVERY_S = 0.05
DELAY_S = 2.0
ROUND = 1000


def seconds(value: int) -> bytes:
    """Return the seconds of a time to whose digits those of the milliseconds are added."""
    return b"%010d" % value


def arrays():
    return Round(((TOPIC % "flood", ARRAY),) * ROUND, ((COMMUNITY, "flood"),) * ROUND)


def readings():
    """Return a second of readings, one each millisecond."""
    payloads = [b'{"ts": %s%03d, "values": {"volume_m3": 1.5, "pressure_mpa": 0.31}}' % (TIME, n) for n in range(ROUND)]
    topic = TOPIC % "flood"
    messages = tuple((topic, payload) for payload in payloads)
    return Round(messages, ((COMMUNITY, "flood"),) * ROUND, write_time=seconds)


def neighbours_delays(services, flood: Future, until_s: float) -> tuple[list[float], float]:
    """Send a reading of another device every 50 ms until a flood is worked off.

    Returns:
        The seconds until each was stored, and those that the rest of the flood took after its last message.
    """
    sent, stored, next_s, ended_s, looked_s = {}, {}, time.monotonic(), 0.0, 0.0
    look = """
        SELECT round(extract(epoch FROM ts) * 1000)::bigint FROM telemetry_water_meter
        WHERE device_id = (SELECT id FROM device WHERE name = 'neighbour') AND ts > to_timestamp(%s)
        """
    with (
        Publisher(services.publish_mqtt_url) as out,
        psycopg.connect(services.database_url, autocommit=True) as database,
    ):
        newest, is_over = epoch_ms() - 1, False
        while not is_over or len(stored) < len(sent):
            now = time.monotonic()
            if now >= next_s and not is_over:
                next_s, ts = now + EVERY_S, epoch_ms()
                sent[ts] = now
                out.publish(TOPIC % "neighbour", reading(ts, volume_m3=1.0))
            for (ts,) in database.execute(look, (newest / 1000,)).fetchall():
                stored[ts], newest = time.monotonic(), max(newest, ts)
            if flood.done() and not ended_s:
                flood.result()
                ended_s = now
            # The broker has one queue: with a reading that was sent after the flood, all of that has been received.
            if ended_s and now >= looked_s + 1 and sent.get(newest, 0.0) > ended_s:
                looked_s = now
                is_over = database.execute("SELECT count(*) FROM spool_total").fetchone() == (0,)
                assert now < ended_s + until_s, "the spool is not empty in time"
            time.sleep(0.01)
    return [stored[ts] - sent_s for ts, sent_s in sent.items()], looked_s - ended_s


@pytest.fixture
def flooded(services, tmp_path, record_property):
    """Return a function that lets a device flood, and returns the numbers of stored, rejected and refused messages.

    Each of its messages has so many `items`, and each of those is stored or rejected.
    """

    def run(name: str, messages: Round, total: int, spool_mib: int, *, first: int, timeout_s: float, items: int = 1):
        migrate(services.database_url)
        register(services.database_url, COMMUNITY, [("flood", "water_meter"), ("neighbour", "water_meter")])
        forget_session(services)
        log = tmp_path / "ingest.log"
        ingest = Ingest(services.database_url, services.mqtt_url, log, ANJU_SPOOL_MIB=str(spool_mib))
        ingest.start()
        try:
            eventually(lambda: query(services.database_url, "SELECT 1 FROM partition_report WHERE live"))
            busy = slowness()
            with ThreadPoolExecutor(1) as pool:
                flood = pool.submit(load.publish, services.publish_mqtt_url, messages, total, float("inf"), first)
                delays, took_s = neighbours_delays(services, flood, timeout_s * busy)
        finally:
            ingest.kill()
        p99 = quantiles(delays, n=100)[-1]
        assert p99 < DELAY_S * busy, f"p99 {p99:.2f} s, greatest {max(delays):.2f} s of {len(delays)}"
        stored, bad, refused = query(services.database_url, FATE)[0]
        assert bad % items == 0
        missing = total - stored - bad // items - refused
        fate = Outcome(
            f"{name}; others stored within {p99:.1f} s (p99)",
            times=1,
            sent=total,
            acknowledged=total,
            stored=stored,
            rejected=bad // items + refused,
            lost=max(missing, 0),
            doubled=max(-missing, 0),
            recovery_s=round(took_s, 1),
        )
        record_property("outcome", vars(fate))
        return stored, bad // items, refused

    return run


FATE = """
    SELECT (SELECT count(*)::int FROM telemetry_water_meter JOIN device ON device.id = device_id WHERE name = 'flood'),
           coalesce(sum(count) FILTER (WHERE reason <> 'rate_limited'), 0)::int,
           coalesce(sum(count) FILTER (WHERE reason = 'rate_limited'), 0)::int
    FROM rejection_count
    """


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_useless_arrays_without_end_delay_no_other_device_and_are_all_accounted_for(flooded, request):
    mib = request.config.getoption("chaos_flood_mib")
    total, spool_mib = mib * 2**20 // len(ARRAY), max(8, mib // 6)
    stored, bad, refused = flooded(
        f"{mib:,} MiB of [1,1,1,...] from one device", arrays(), total, spool_mib, first=0, timeout_s=mib, items=ITEMS
    )
    assert (stored, bad + refused) == (0, total)
    assert bad >= spool_mib * 2**20 // DEVICE_SHARE // (len(ARRAY) + 256)


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_ten_million_readings_of_one_device_delay_no_other_and_are_all_stored(flooded, request):
    total = request.config.getoption("chaos_flood_readings")
    spool_mib = total * 512 * DEVICE_SHARE // 2**20
    first = int(time.time()) - total // ROUND - 60
    stored, bad, refused = flooded(
        f"{total:,} readings from one device", readings(), total, spool_mib, first=first, timeout_s=total / 1000
    )
    assert (stored, bad, refused) == (total, 0, 0)
