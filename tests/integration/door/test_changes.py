"""Changes of the registry at the door: new devices, rotated secrets, withdrawn and retired devices, outages."""

import subprocess
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from door import callout
from doors import ACCEPTED, NOT_AUTHORIZED, Knock, Listener, login, new_secret, register_devices, running_door
from local.home import Home
from patience import Stopwatch, eventually, patient
from proxy import Proxy
from running import ANJU, query, running_broker
from store.database import connect
from store.registry.withdraw import withdraw_device

METER, NEIGHBOUR = "east/water_meter/w1", "east/water_meter/w2"
ENDS_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Home(tmp_path_factory.mktemp("broker")) as home, running_broker(home) as (broker, _):
        yield broker


@pytest.fixture
def secrets(database_url):
    """Register two meters with secrets."""
    register_devices(database_url, "east", *({"device": name, "kind": "water_meter"} for name in ("w1", "w2")))
    return {username: new_secret(database_url, username) for username in (METER, NEIGHBOUR)}


@pytest.fixture
def door(database_url, broker, secrets):
    with running_door(database_url, broker) as door:
        yield door


@pytest.fixture
def log_in(broker):
    """Return a function that logs a device in; its connection is closed after the test."""
    with ExitStack() as stack:

        def log_in(username, secret, client_id=None, **more):
            device = stack.enter_context(Knock.at(broker.ingest_url, username, secret, client_id, **more))
            assert device.answer() == ACCEPTED
            return device

        yield log_in


def assert_ends_in_time(device):
    watch = Stopwatch()
    eventually(lambda: not device.is_open(), every_s=0.02)
    assert watch.quiet_s() < ENDS_WITHIN_S


def withdraw(database_url, device="w1"):
    with connect(database_url, application_name="test") as connection:
        withdraw_device(connection, "east", device, datetime.now(UTC))


def test_a_device_may_log_in_as_soon_as_it_is_registered(database_url, broker, door):
    for name in ("n1", "n2", "n3"):
        register_devices(database_url, "east", {"device": name, "kind": "water_meter"})
        secret = new_secret(database_url, f"east/water_meter/{name}")
        assert login(broker.ingest_url, f"east/water_meter/{name}", secret) == ACCEPTED


def test_a_rotated_secret_ends_the_open_connections_and_lets_the_new_one_in(
    database_url, broker, door, secrets, log_in
):
    old = [log_in(METER, secrets[METER], client_id) for client_id in (None, "east:water_meter:w1:b")]
    neighbour = log_in(NEIGHBOUR, secrets[NEIGHBOUR])
    secret = new_secret(database_url, METER)
    eventually(lambda: login(broker.ingest_url, METER, secrets[METER], "east:water_meter:w1:c") == NOT_AUTHORIZED)
    new = log_in(METER, secret, "east:water_meter:w1:d")
    for connection in old:
        assert_ends_in_time(connection)
    time.sleep(2.5)  # the second look at the connections of the old secret
    assert new.is_open()
    assert neighbour.is_open()


def test_a_withdrawn_device_is_cut_off_and_refused_and_its_last_will_is_published(
    database_url, broker, door, secrets, log_in
):
    status = f"anju/v1/{METER}/status"
    with Listener(broker.read_url, status) as listening:
        device = log_in(METER, secrets[METER], will=(status, b"gone"))
        withdraw(database_url)
        assert_ends_in_time(device)
        assert listening.payload() == b"gone"
    assert login(broker.ingest_url, METER, secrets[METER]) == NOT_AUTHORIZED


def test_a_retired_device_is_cut_off_and_comes_back_into_service(database_url, broker, door, secrets, log_in):
    device = log_in(METER, secrets[METER])
    for service, answer in (("retired", NOT_AUTHORIZED), ("in_service", ACCEPTED), ("out_of_service", ACCEPTED)):
        query(database_url, "UPDATE device SET service = %s WHERE name = 'w1' RETURNING id", service)
        eventually(lambda: login(broker.ingest_url, METER, secrets[METER], f"east:water_meter:w1:{service}") == answer)  # noqa: B023
    assert_ends_in_time(device)


def test_a_change_of_something_else_ends_no_connection(database_url, broker, door, secrets, log_in):
    device = log_in(METER, secrets[METER])
    register_devices(database_url, "east", {"device": "w1", "kind": "water_meter", "serial": "4711"})
    withdraw(database_url, "w2")
    eventually(lambda: login(broker.ingest_url, NEIGHBOUR, secrets[NEIGHBOUR]) == NOT_AUTHORIZED)
    time.sleep(2.5)
    assert device.is_open()


def test_a_login_revoked_while_no_door_was_there_is_ended_by_the_next_one(database_url, broker, secrets, log_in):
    with running_door(database_url, broker):
        withdrawn = log_in(METER, secrets[METER])
        rotated = log_in(NEIGHBOUR, secrets[NEIGHBOUR])
    withdraw(database_url)
    secret = new_secret(database_url, NEIGHBOUR)
    assert withdrawn.is_open()
    with running_door(database_url, broker):
        assert_ends_in_time(withdrawn)
        assert_ends_in_time(rotated)
        assert login(broker.ingest_url, NEIGHBOUR, secret) == ACCEPTED


def test_devices_log_in_while_the_database_is_away_and_changes_count_when_it_is_back(
    database_url, broker, secrets, log_in
):
    address = urlsplit(database_url)
    proxy = Proxy(address.hostname, address.port)
    proxy.start()
    try:
        around = address._replace(netloc=address.netloc.replace(f":{address.port}", f":{proxy.port}")).geturl()
        with running_door(around, broker):
            device = log_in(METER, secrets[METER])
            proxy.cut()
            withdraw(database_url)
            for attempt in range(3):
                assert login(broker.ingest_url, NEIGHBOUR, secrets[NEIGHBOUR]) == ACCEPTED
                assert login(broker.ingest_url, NEIGHBOUR, f"wrong {attempt}") == NOT_AUTHORIZED
            assert device.is_open()
            proxy.mend()
            assert_ends_in_time(device)
            assert login(broker.ingest_url, METER, secrets[METER]) == NOT_AUTHORIZED
    finally:
        proxy.stop()


@pytest.mark.parametrize("wrong_s", [-86_400, 86_400])
def test_a_door_whose_clock_is_wrong_answers_all_the_same(database_url, broker, secrets, monkeypatch, wrong_s):
    clock = SimpleNamespace(time=lambda: time.time() + wrong_s)
    monkeypatch.setattr(callout, "time", clock)
    with running_door(database_url, broker):
        assert login(broker.ingest_url, METER, secrets[METER]) == ACCEPTED
        assert login(broker.ingest_url, METER, "guessed") == NOT_AUTHORIZED


def test_two_doors_share_the_logins_and_one_goes_on_alone(database_url, broker, secrets):
    with running_door(database_url, broker):
        with running_door(database_url, broker):
            for n in range(20):
                assert login(broker.ingest_url, METER, secrets[METER], f"east:water_meter:w1:{n}") == ACCEPTED
        for n in range(20):
            assert login(broker.ingest_url, METER, secrets[METER], f"east:water_meter:w1:{n}") == ACCEPTED


def test_a_door_that_ends_still_answers_what_it_was_asked(database_url, broker, secrets):
    with ExitStack() as knocks:
        with running_door(database_url, broker, longest_delay_s=60), running_door(database_url, broker):
            watch = Stopwatch()
            asked = [
                knocks.enter_context(Knock.at(broker.ingest_url, METER, secret, f"east:water_meter:w1:{n}"))
                for n, secret in enumerate(["guessed", secrets[METER]] * 20)
            ]
        # The broker itself refuses 10 s after a question that nobody answers.
        assert [knock.answer() for knock in asked] == [NOT_AUTHORIZED, ACCEPTED] * 20
        assert watch.quiet_s() < ENDS_WITHIN_S


@pytest.mark.slow
def test_the_door_returns_to_a_broker_that_was_killed(database_url, tmp_path, secrets):
    with Home(tmp_path) as home, running_broker(home) as (broker, process), running_door(database_url, broker):
        process.kill()
        process.start(patient(60))
        eventually(lambda: login(broker.ingest_url, METER, secrets[METER]) == ACCEPTED)


def test_many_withdrawn_devices_are_all_cut_off_in_time(database_url, broker, door, log_in):
    names = [f"m{n}" for n in range(100)]
    register_devices(database_url, "east", *({"device": name, "kind": "water_meter"} for name in names))
    secrets = {name: new_secret(database_url, f"east/water_meter/{name}") for name in names}
    devices = [log_in(f"east/water_meter/{name}", secrets[name]) for name in names]
    query(database_url, "UPDATE device SET withdrawn_at = now() WHERE name LIKE 'm%%' RETURNING id")
    watch = Stopwatch()
    eventually(lambda: not any(device.is_open() for device in devices))
    assert watch.quiet_s() < ENDS_WITHIN_S


def test_the_command_answers_until_it_is_terminated(database_url, broker, secrets, tmp_path):
    environment = {
        "ANJU_DATABASE_URL": database_url,
        "ANJU_DOOR_URL": broker.door_url,
        "ANJU_DOOR_SEED": broker.door_seed,
    }
    with (tmp_path / "door.log").open("wb") as log:
        process = subprocess.Popen([ANJU, "door"], env=environment, stdout=log, stderr=log)
    try:
        eventually(lambda: "answering the broker" in (tmp_path / "door.log").read_text())
        assert login(broker.ingest_url, METER, secrets[METER]) == ACCEPTED
        process.terminate()
        assert process.wait(patient(20)) == 0
        written = (tmp_path / "door.log").read_text()
        assert secrets[METER] not in written
        assert broker.door_seed not in written
    finally:
        process.kill()
        process.wait()
