"""The door admits from memory, looks at the registry before it refuses, and finds the connections that are void."""

import asyncio
import hashlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from door.accounts import Account
from door.decision import Admission, Login, Refusal
from door.follower import Reading
from door.gatekeeper import Gatekeeper
from store.registry.logins import LoginRow

SIMULATORS = Account("anju-simulators", "the secret of simulators")
OBSERVER = Account("anju-observer", "the secret of the observer")
METER, CAMERA = "linyin/water_meter/w-1", "linyin/camera/c-1"
SECRET = "the secret of w-1"


def row(username=METER, secret=SECRET, *, simulated=False, may_log_in=True):
    return LoginRow(1, username, secret and hashlib.sha256(secret.encode()).digest(), simulated, may_log_in)


def read(keeper, *rows, anew=False, at=None):
    return keeper.take(Reading(list(rows), anew=anew, complete_at=time.monotonic() if at is None else at))


def login(username=METER, secret=SECRET, client_id=None, **options):
    return Login(username, secret, username.replace("/", ":") if client_id is None else client_id, **options)


def simulators(client_id="sim"):
    return login(SIMULATORS.username, SIMULATORS.secret, client_id)


def observer():
    return login(OBSERVER.username, OBSERVER.secret, "reader")


@pytest.fixture
def keeper():
    one = Gatekeeper(partitions=1, simulators=SIMULATORS, observer=OBSERVER, longest_delay_s=0.0)
    one.follows = False
    read(one, row(), row(CAMERA, "of c-1"))
    return one


def decide(keeper, one):
    return asyncio.run(keeper.decide(one))


def test_a_registered_device_is_admitted_at_once_to_its_own_topics(keeper):
    admission = keeper.admit(login())
    assert admission == decide(keeper, login())
    assert admission.publish == ("anju.v1.linyin.water_meter.w-1.>",)
    assert keeper.is_current(admission.name)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (login(secret="another"), Refusal.WRONG_SECRET),
        (login("linyin/water_meter/w-2"), Refusal.UNKNOWN_DEVICE),
        (login(client_id="linyin:camera:c-1"), Refusal.WRONG_CLIENT_ID),
        (login(SIMULATORS.username, "another", "sim"), Refusal.WRONG_SECRET),
        (login(SIMULATORS.username, SIMULATORS.secret, ""), Refusal.NOT_MQTT),
        (login(OBSERVER.username, "another", "reader"), Refusal.WRONG_SECRET),
        (login(OBSERVER.username, OBSERVER.secret, "anju-ingest"), Refusal.FOREIGN_CLIENT_ID),
    ],
)
def test_no_wrong_login_is_admitted_at_once_and_each_has_its_reason(keeper, wrong, reason):
    assert keeper.admit(wrong) is None
    assert decide(keeper, wrong) is reason


def test_a_secret_that_was_replaced_is_void_and_so_is_its_connection(keeper):
    before = keeper.admit(login())
    assert before.name in read(keeper, row(secret="a new one"))
    assert not keeper.is_current(before.name)
    assert decide(keeper, login()) is Refusal.WRONG_SECRET
    assert keeper.admit(login(secret="a new one")).name != before.name


@pytest.mark.parametrize("gone", [row(may_log_in=False), row(secret=None)])
def test_a_device_that_may_no_longer_log_in_loses_its_connection(keeper, gone):
    before = keeper.admit(login())
    assert before.name in read(keeper, gone)
    assert not keeper.is_current(before.name)
    assert keeper.admit(login()) is None


def test_a_reading_from_the_beginning_forgets_devices_that_are_in_it_no_more(keeper):
    read(keeper, row(CAMERA, "of c-1"), anew=True)
    assert decide(keeper, login()) is Refusal.UNKNOWN_DEVICE
    assert not keeper.may_publish(METER, f"anju/v1/{METER}/telemetry")


@pytest.mark.parametrize(
    ("username", "topic", "may"),
    [
        (METER, f"anju/v1/{METER}/telemetry", True),
        (METER, f"anju/v1/{METER}", False),
        (METER, f"anju/v1/{METER}0/telemetry", False),
        (METER, f"anju/v1/{CAMERA}/telemetry", False),
        (METER, f"other/v1/{METER}/telemetry", False),
        ("linyin/water_meter/w-2", "anju/v1/linyin/water_meter/w-2/telemetry", False),
        (SIMULATORS.username, "anju/v1/linyin/water_meter/unregistered/telemetry", True),
        (SIMULATORS.username, f"anju/v1/{METER}/telemetry", False),
        (SIMULATORS.username, "$SYS/REQ/x", False),
        (OBSERVER.username, f"anju/v1/{METER}/telemetry", False),
    ],
)
def test_a_last_will_is_allowed_on_own_topics_only(keeper, username, topic, may):
    assert keeper.may_publish(username, topic) is may


def test_simulators_may_speak_for_a_device_until_it_becomes_real(keeper):
    read(keeper, row(simulated=True))
    assert keeper.may_publish(SIMULATORS.username, f"anju/v1/{METER}/telemetry")
    before = decide(keeper, simulators())
    assert keeper.is_current(before.name)
    assert read(keeper, row(simulated=False)) >= {before.name}
    assert not keeper.is_current(before.name)
    assert not keeper.may_publish(SIMULATORS.username, f"anju/v1/{METER}/telemetry")
    assert decide(keeper, simulators()).name != before.name


def test_a_change_that_is_none_of_simulators_leaves_them_connected(keeper):
    before = decide(keeper, simulators())
    assert before.name not in read(keeper, row(secret="a new one"))
    assert keeper.is_current(before.name)


def test_simulators_are_never_admitted_by_a_directory_that_may_be_old(keeper):
    assert keeper.admit(simulators()) is None
    assert isinstance(decide(keeper, simulators()), Admission)


def test_an_observer_publishes_nothing_and_its_connection_ends_with_its_secret(keeper):
    admission = keeper.admit(observer())
    assert (admission.publish, admission.deny) == ((), (">",))
    assert keeper.is_current(admission.name)
    other = Gatekeeper(partitions=1, observer=Account(OBSERVER.username, "rotated"))
    assert not other.is_current(admission.name)


def test_without_accounts_their_names_are_those_of_unknown_devices():
    keeper = Gatekeeper(partitions=1, longest_delay_s=0.0)
    keeper.follows = False
    for one in (simulators(), observer()):
        assert decide(keeper, one) is Refusal.UNKNOWN_DEVICE


def test_a_device_registered_a_moment_ago_is_admitted_by_the_next_reading():
    async def log_in():
        keeper = Gatekeeper(partitions=1)
        answer = asyncio.create_task(keeper.decide(login()))
        await asyncio.sleep(0)
        read(keeper, at=0.0)  # of a time before the login: it decides nothing
        await asyncio.sleep(0)
        assert not answer.done()
        read(keeper, row())
        return await answer

    assert isinstance(asyncio.run(log_in()), Admission)


def test_the_end_of_the_door_answers_everyone_who_waits_at_once():
    async def end():
        keeper = Gatekeeper(partitions=1, longest_delay_s=3600.0)
        answers = [asyncio.create_task(keeper.decide(login(address=f"10.0.0.{each}"))) for each in range(3)]
        await asyncio.sleep(0)
        keeper.answer_at_once()
        return await asyncio.gather(*answers)

    assert asyncio.run(end()) == [Refusal.UNKNOWN_DEVICE] * 3


def test_a_text_that_is_no_username_is_not_written_to_the_log(keeper):
    with capture_logs() as lines:
        decide(keeper, login("a secret in the wrong place", "x", address="10.0.0.1"))
        decide(keeper, login("linyin/water_meter/w-9", "x", address="10.0.0.2"))
    assert [line["user"] for line in lines] == [None, "linyin/water_meter/w-9"]
    assert not [line for line in lines if re.search("secret in the", str(line))]


@given(st.lists(st.builds(row, st.sampled_from([METER, CAMERA]), st.sampled_from(["one", "two", None]),
                          simulated=st.booleans(), may_log_in=st.booleans()), max_size=8))  # fmt: skip
def test_a_connection_is_current_exactly_while_its_login_would_give_the_same_one(changes):
    keeper = Gatekeeper(partitions=1, simulators=SIMULATORS, longest_delay_s=0.0)
    read(keeper)
    names = set()
    for change in changes:
        void = read(keeper, change)
        logins = [login(user, secret) for user in (METER, CAMERA) for secret in ("one", "two")]
        now = {admission.name for one in logins if (admission := keeper.admit(one))}
        assert {name for name in names | now if keeper.is_current(name)} == now
        assert not void & now
        names |= now
