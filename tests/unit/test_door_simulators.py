"""What simulators may publish, as a law over any registry."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from door.accounts import Account, refuse_account
from door.decision import Admission, Login, Refusal
from door.directory import Directory
from door.simulators import admit_simulators
from store.registry.logins import LoginRow

ACCOUNT = Account("publisher", "the secret")
rows = st.lists(
    st.builds(
        LoginRow,
        st.just(1),
        st.builds("{}/camera/{}".format, st.sampled_from("abc"), st.sampled_from("wxyz")),
        st.none(),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda row: row.username,
)


def directory(changes):
    logins = Directory()
    logins.apply(changes)
    return logins


def matches(pattern, subject):
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+").replace(">", ".+"), subject) is not None


def may_publish(admission, subject):
    return any(matches(each, subject) for each in admission.publish) and not any(
        matches(each, subject) for each in admission.deny
    )


@given(rows, st.sampled_from([1, 4]))
def test_simulators_may_speak_for_every_device_but_the_real_ones(changes, partitions):
    admission = admit_simulators(ACCOUNT, directory(changes), partitions=partitions)
    prefix = "anju.v1" if partitions == 1 else "anju.p.3"
    for row in changes:
        subject = f"{prefix}.{row.username.replace('/', '.')}.telemetry"
        assert may_publish(admission, subject) == row.simulated, row
    assert may_publish(admission, f"{prefix}.unknown.camera.w.telemetry")
    assert not may_publish(admission, "$SYS.REQ.SERVER.PING")


@given(rows, rows)
def test_the_name_of_a_connection_changes_with_the_exceptions_and_not_without(before, after):
    logins = directory(before)
    first = admit_simulators(ACCOUNT, logins, partitions=1)
    logins.apply(after)
    second = admit_simulators(ACCOUNT, logins, partitions=1)
    assert (first.name == second.name) == (first.deny == second.deny)
    assert ACCOUNT.is_connection(first.name)


def test_a_city_of_real_devices_is_an_exception_for_each_community():
    city = [LoginRow(1, f"c{n % 50}/camera/d{n}", None, simulated=False, may_log_in=True) for n in range(20_000)]
    logins = directory([*city, LoginRow(1, "demo/camera/d", None, simulated=True, may_log_in=True)])
    assert len(admit_simulators(ACCOUNT, logins, partitions=1).deny) == 50


def test_more_exceptions_than_an_answer_holds_are_refused():
    mixed = [LoginRow(1, f"c/camera/d{n}", None, simulated=n == 0, may_log_in=True) for n in range(10_002)]
    logins = directory(mixed)
    assert admit_simulators(ACCOUNT, logins, partitions=1) is Refusal.TOO_MANY_REAL_DEVICES
    logins.apply([LoginRow(1, "c/camera/d1", None, simulated=True, may_log_in=True)])
    assert isinstance(admit_simulators(ACCOUNT, logins, partitions=1), Admission)


@pytest.mark.parametrize(
    ("secret", "client_id", "refusal"),
    [
        ("the secret", "anju-publisher-1", None),
        ("", "x", Refusal.WRONG_SECRET),
        ("guessed", "x", Refusal.WRONG_SECRET),
        ("the secret", "", Refusal.NOT_MQTT),
        ("the secret", "a:camera:b", Refusal.FOREIGN_CLIENT_ID),
        ("the secret", "anju-ingest-0", Refusal.FOREIGN_CLIENT_ID),
    ],
)
def test_a_login_of_simulators_needs_the_secret_and_a_client_id_of_nobody_else(secret, client_id, refusal):
    assert refuse_account(Login("publisher", secret, client_id), ACCOUNT) is refusal


def test_the_secret_is_not_in_the_text_of_the_account():
    assert "the secret" not in repr(ACCOUNT)
