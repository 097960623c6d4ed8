"""Decisions about logins: a law over every login, and the words of a refusal."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.partition import partition_of
from devices.topic import IDENTIFIER
from door.decision import Admission, Login, Refusal, decide, own_subjects
from door.directory import Directory
from store.registry.logins import LoginRow
from store.registry.secrets import fingerprint

names = st.from_regex(IDENTIFIER, fullmatch=True)
usernames = st.builds("{}/{}/{}".format, names, names, names)
METER, OTHER, BARE = "east/water_meter/w1", "east/water_meter/w12", "east/camera/c1"
SECRETS = {METER: "one", OTHER: "two"}


def row(username: str, secret: str | None, *, may_log_in: bool = True) -> LoginRow:
    digest = None if secret is None else hashlib.sha256(secret.encode()).digest()
    return LoginRow(1, username, digest, simulated=False, may_log_in=may_log_in)


def fingerprint_of(secret: str) -> str:
    return fingerprint(hashlib.sha256(secret.encode()).digest())


def directory(*rows: LoginRow) -> Directory:
    logins = Directory()
    logins.apply(rows or [row(METER, "one"), row(OTHER, "two"), row(BARE, None)])
    return logins


def answer(**login: str):
    given = {"username": METER, "secret": "one", "client_id": "east:water_meter:w1", **login}
    return decide(Login(**given), directory(), partitions=1)


def test_a_device_with_its_secret_and_its_client_id_may_publish_below_its_topic():
    admission = answer()
    assert isinstance(admission, Admission)
    assert admission.publish == ("anju.v1.east.water_meter.w1.>",)


@pytest.mark.parametrize("client_id", ["east:water_meter:w1", "east:water_meter:w1:2", "east:water_meter:w1:"])
def test_a_client_id_is_the_name_or_begins_with_it_and_a_colon(client_id: str):
    assert isinstance(answer(client_id=client_id), Admission)


@pytest.mark.parametrize(
    "client_id", ["", "east:water_meter:w", "east:water_meter:w12", "x", "east/water_meter/w1", "anju-ingest-0"]
)
def test_another_client_id_is_refused(client_id: str):
    assert answer(client_id=client_id) is Refusal.WRONG_CLIENT_ID


@pytest.mark.parametrize(
    ("login", "refusal"),
    [
        ({"username": ""}, Refusal.UNKNOWN_DEVICE),
        ({"username": "east/water_meter/w9"}, Refusal.UNKNOWN_DEVICE),
        ({"username": METER.upper()}, Refusal.UNKNOWN_DEVICE),
        ({"username": "east/electricity_meter/w1"}, Refusal.UNKNOWN_DEVICE),
        ({"secret": ""}, Refusal.WRONG_SECRET),
        ({"secret": "two"}, Refusal.WRONG_SECRET),
        ({"secret": hashlib.sha256(b"one").hexdigest()}, Refusal.WRONG_SECRET),
        ({"username": BARE, "secret": "", "client_id": "east:camera:c1"}, Refusal.NO_SECRET),
        ({"username": OTHER, "secret": "", "certificate": METER}, Refusal.OTHER_CERTIFICATE),
        ({"certificate": "east/water_meter/w9"}, Refusal.UNKNOWN_DEVICE),
        ({"certificate": METER, "issued_for": fingerprint_of("two")}, Refusal.OLD_CERTIFICATE),
        ({"certificate": METER, "issued_for": fingerprint(b"")}, Refusal.OLD_CERTIFICATE),
    ],
)
def test_a_refusal_says_why(login: dict[str, str], refusal: Refusal):
    assert answer(**login) is refusal


@pytest.mark.parametrize("issued_for", ["", fingerprint_of("one")])
@pytest.mark.parametrize("username", ["", METER])
def test_a_certificate_takes_the_place_of_name_and_secret(username: str, issued_for: str):
    assert isinstance(answer(username=username, secret="", certificate=METER, issued_for=issued_for), Admission)


@pytest.mark.parametrize("issued_for", ["", fingerprint(b"")])
def test_a_certificate_lets_a_device_in_that_has_no_secret(issued_for: str):
    login = {"username": "", "secret": "", "client_id": "east:camera:c1", "certificate": BARE}
    assert isinstance(answer(**login, issued_for=issued_for), Admission)


@given(st.sampled_from([*SECRETS, BARE, "x"]) | st.text(), st.sampled_from(["one", "two", ""]) | st.text(), st.text())
def test_nothing_but_the_registered_name_with_its_own_secret_gets_in(username: str, secret: str, tail: str):
    client_id = f"{username.replace('/', ':')}:{tail}"
    admitted = decide(Login(username, secret, client_id), directory(), partitions=1)
    assert isinstance(admitted, Admission) == (SECRETS.get(username) == secret)


@given(usernames, usernames, st.integers(1, 64))
def test_no_device_may_publish_to_a_subject_of_another(own: str, other: str, partitions: int):
    pattern = re.escape(own_subjects(own, partitions)).replace(r"\*", r"[^.]+").replace(">", ".+")
    community, kind, device = other.split("/")
    prefix = "anju.v1" if partitions == 1 else f"anju.p.{partition_of(community, partitions)}"
    matches = re.fullmatch(pattern, f"{prefix}.{community}.{kind}.{device}.telemetry") is not None
    assert matches == (own == other)


def names_of(logins: Directory, secret: str) -> dict[str, str]:
    """Return the names of connections by secret, by a certificate issued for it, and by one of another authority."""
    return {
        "secret": logins.connection_name(METER),
        "bound": logins.connection_name(METER, by_certificate=True, issued_for=fingerprint_of(secret)),
        "unbound": logins.connection_name(METER, by_certificate=True),
    }


def test_a_changed_secret_makes_the_connections_of_the_old_one_and_of_its_certificates_void_and_no_others():
    logins = directory()
    old = names_of(logins, "one")
    assert logins.apply([row(METER, "new")]) == {old["secret"], old["bound"]}
    assert {kind: logins.is_current(name) for kind, name in old.items()} == {
        "secret": False, "bound": False, "unbound": True
    }  # fmt: skip
    assert all(map(logins.is_current, names_of(logins, "new").values()))


def test_a_device_that_may_not_log_in_any_more_has_no_valid_connection():
    logins = directory()
    connections = set(names_of(logins, "one").values())
    assert logins.apply([row(METER, "one", may_log_in=False)]) == connections
    assert not any(map(logins.is_current, connections))
    assert METER not in logins


def test_the_first_secret_of_a_device_makes_the_certificates_void_that_were_issued_without_one():
    logins = directory()
    without = logins.connection_name(BARE, by_certificate=True, issued_for=fingerprint(b""))
    assert without in logins.apply([row(BARE, "first")])
    assert not logins.is_current(without)


@pytest.mark.parametrize("again", [row(METER, "one"), row("east/water_meter/new", "one"), row(BARE, None)])
def test_a_change_that_takes_nothing_away_ends_no_connection(again: LoginRow):
    assert directory().apply([again]) == set()


@pytest.mark.parametrize("name", ["ingest", "reader", "east/water_meter/w1", "#", "x#y", ""])
def test_a_name_that_the_door_never_gave_is_not_current(name: str):
    assert not directory().is_current(name)
