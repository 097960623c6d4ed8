"""The streams of the broker: bounds of age and bytes for each, and the bytes in flight to ingest."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from devices.broker_url import BrokerUrl
from door.backlog import BYTES_IN_FLIGHT, LEAST_IN_FLIGHT, MOST_IN_FLIGHT
from door.streams import BOUNDS, MESSAGES
from doors import ACCEPTED, Knock, login, new_secret, register_devices, running_door
from ingest.partition import EVERYTHING
from ingest.receiver import Message, Receiver
from local.brokers.broker import Broker
from local.home import Home
from local.process import Process
from patience import eventually, patient, steady
from running import open_session, running_broker

METER = "east/water_meter/w1"
TOPIC = f"anju/v1/{METER}/telemetry"


@dataclass(frozen=True)
class Site:
    """Broker behind a door, with the secret of a meter; ingest has its session and is away."""

    broker: Broker
    process: Process
    database_url: str
    secret: str

    def streams(self) -> dict[str, dict[str, Any]]:
        """Return every stream of every account with its configuration, state and consumers."""
        options = {"accounts": True, "streams": True, "consumers": True, "config": True}
        found = httpx.get(f"{self.broker.monitoring_urls[0]}/jsz", params=options, timeout=patient(20)).json()
        streams = [stream for account in found["account_details"] for stream in account.get("stream_detail", ())]
        return {stream["name"]: stream for stream in streams}

    def in_flight(self) -> set[int]:
        """Return how many messages may be in flight to each session."""
        return {each["config"]["max_ack_pending"] for each in self.streams()[MESSAGES]["consumer_detail"]}

    def device(self) -> Knock:
        knock = Knock.at(self.broker.ingest_url, METER, self.secret)
        assert knock.answer() == ACCEPTED
        return knock

    def cut_off(self) -> list[str]:
        """Return the lines about clients that the broker has cut off for reading too slowly."""
        return [line for line in Path(self.process.log_file).read_text("utf-8").splitlines() if "Slow Consumer" in line]


@pytest.fixture
def site(tmp_path, database_url) -> Iterator[Site]:
    register_devices(database_url, "east", {"device": "w1", "kind": "water_meter"})
    secret = new_secret(database_url, METER)
    with Home(tmp_path) as home, running_broker(home, guarded=True) as (broker, process):
        open_session(broker.ingest_url, EVERYTHING, clean=False, subscribe=True)
        yield Site(broker, process, database_url, secret)


def is_bounded(stream: dict[str, Any]) -> bool:
    return stream["config"]["max_age"] > 0 and stream["config"]["max_bytes"] > 0


def test_every_stream_gets_a_bound_of_age_and_bytes_and_none_loses_what_waits_for_ingest(site: Site):
    with running_door(site.database_url, site.broker), site.device() as meter:
        assert meter.publish(TOPIC, b"waits", qos=1)
        assert meter.publish(TOPIC, b"waits too", qos=2)
        eventually(lambda: all(map(is_bounded, site.streams().values())))
        streams = site.streams()
    assert set(streams) == set(BOUNDS)
    # A full stream of messages refuses new ones instead of giving up acknowledged ones.
    assert streams[MESSAGES]["config"]["discard"] == "new"
    assert streams[MESSAGES]["state"]["messages"] == 2
    store = httpx.get(f"{site.broker.monitoring_urls[0]}/jsz").json()["config"]["max_storage"]
    assert sum(stream["config"]["max_bytes"] for stream in streams.values()) <= store


def test_bounds_outlive_a_restart_of_the_broker_and_no_device_knows_the_login_that_sets_them(site: Site):
    with running_door(site.database_url, site.broker):
        eventually(lambda: all(map(is_bounded, site.streams().values())))
        for secret in ("", site.secret, BrokerUrl.parse(site.broker.ingest_url).password):
            assert login(site.broker.ingest_url, "anju:streams", secret, "") != ACCEPTED
            assert login(site.broker.ingest_url, "anju:streams", secret, "x") != ACCEPTED
    site.process.stop()
    site.process.start(patient(60))
    assert login(site.broker.ingest_url, *account(site.broker.ingest_url), "any") == ACCEPTED
    assert all(map(is_bounded, site.streams().values()))


def test_the_record_of_the_session_of_ingest_is_written_anew_over_one_connection(site: Site, monkeypatch):
    monkeypatch.setattr("ingest.receiver._RENEW_EVERY_S", 0.2)
    receiver = Receiver(site.broker.ingest_url, EVERYTHING)
    eventually(lambda: receiver.poll(0.05) or receiver.subscribed)

    def written() -> int:
        return site.streams()["$MQTT_sess"]["state"]["last_seq"]

    before, logins = written(), site.process.log_file.read_text("utf-8").count("Replacing old client")
    eventually(lambda: receiver.poll(0.05) or written() >= before + 6)
    monkeypatch.undo()
    with running_door(site.database_url, site.broker), site.device() as meter:
        assert meter.publish(TOPIC, b"arrives")
        eventually(lambda: receiver.poll(0.05) and receiver.buffered)
    assert [message.payload for message in receiver.take()] == [b"arrives"]
    assert receiver.subscribed
    assert not receiver.lost_session
    assert site.process.log_file.read_text("utf-8").count("Replacing old client") == logins
    receiver.close()


def account(url: str) -> tuple[str, str]:
    broker = BrokerUrl.parse(url)
    return broker.username, broker.password


def received(receiver: Receiver) -> list[Message]:
    receiver.poll(0.05)
    return list(receiver.take())


@pytest.mark.slow
def test_large_messages_in_flight_are_bounded_by_their_bytes_so_that_ingest_is_not_cut_off(site: Site):
    """Over 256 MiB at once the broker cuts a client off; it sent up to 30,000 messages of whatever size."""
    payloads = [b"%05d" % number + b"x" * 999_000 for number in range(300)]
    with running_door(site.database_url, site.broker):
        assert eventually(site.in_flight) == {MOST_IN_FLIGHT}
        with site.device() as meter:
            for payload in payloads:
                assert meter.publish(TOPIC, payload)
        eventually(lambda: site.in_flight() == {LEAST_IN_FLIGHT})
        receiver = Receiver(site.broker.ingest_url, EVERYTHING)
        eventually(lambda: receiver.poll(0.1) and receiver.buffered)
        time.sleep(2)  # as in a long transaction: nothing is read
        steady(lambda: receiver.poll(0.05) or receiver.buffered, for_s=1)
        assert receiver.buffered == LEAST_IN_FLIGHT
        assert LEAST_IN_FLIGHT * len(payloads[0]) <= BYTES_IN_FLIGHT
        taken: list[Message] = []

        def store_some() -> bool:
            batch = received(receiver)
            receiver.acknowledge(batch)
            taken.extend(batch)
            return len(taken) >= len(payloads)

        eventually(store_some, every_s=0)
        assert [message.payload for message in taken] == payloads
        eventually(lambda: receiver.poll(0.05) or site.in_flight() == {MOST_IN_FLIGHT})
        receiver.close()
    assert site.cut_off() == []
