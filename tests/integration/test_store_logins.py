"""Numbers of changes of logins: each change has a later one, and none is passed over."""

from datetime import UTC, datetime

import pytest

from doors import new_secret, register_devices
from running import query
from store.database import connect
from store.registry.logins import last_login_change, login_changes
from store.registry.secrets import hash_secret
from store.registry.withdraw import withdraw_device

METER = {"device": "w1", "kind": "water_meter"}


def changes(url, since=0):
    with connect(url, application_name="test") as connection:
        return [row for rows in login_changes(connection, since) for row in rows]


@pytest.fixture
def since(database_url):
    """Register a meter; return the number of the last change."""
    register_devices(database_url, "east", METER, {"device": "w2", "kind": "water_meter"})
    return changes(database_url)[-1].change


def test_every_device_is_a_change_in_the_order_of_the_numbers(database_url, since):
    rows = changes(database_url)
    assert [row.username for row in rows] == ["east/water_meter/w1", "east/water_meter/w2"]
    assert rows[0].change < rows[1].change
    assert rows[0][2:] == (None, False, True)


def test_a_new_secret_is_a_change_with_its_hash(database_url, since):
    secret = new_secret(database_url, "east/water_meter/w1")
    [row] = changes(database_url, since)
    assert row.secret_hash == bytes.fromhex(hash_secret(secret))


@pytest.mark.parametrize(
    ("change", "may_log_in"),
    [("withdrawn_at = now()", False), ("service = 'retired'", False), ("service = 'commissioning'", True)],
)
def test_a_device_out_of_the_registry_may_not_log_in(database_url, since, change, may_log_in):
    query(database_url, f"UPDATE device SET {change} WHERE name = 'w1' RETURNING id")
    [row] = changes(database_url, since)
    assert row.may_log_in == may_log_in


def test_a_withdrawn_device_that_is_imported_again_is_a_change(database_url, since):
    with connect(database_url, application_name="test") as connection:
        withdraw_device(connection, "east", "w1", datetime.now(UTC))
    [withdrawn] = changes(database_url, since)
    register_devices(database_url, "east", METER)
    [back] = changes(database_url, withdrawn.change)
    assert (withdrawn.may_log_in, back.may_log_in) == (False, True)


def test_an_import_that_changes_no_login_is_no_change(database_url, since):
    register_devices(database_url, "east", METER | {"serial": "4711", "building": "3"})
    assert changes(database_url, since) == []


def test_changes_become_visible_in_the_order_of_their_numbers(database_url, since):
    """A change that has its number but has not committed keeps later ones waiting."""
    first, second = connect(database_url, application_name="first"), connect(database_url, application_name="second")
    with first, second:
        first.execute("UPDATE device SET secret_hash = %s WHERE name = 'w1'", (hash_secret("a"),))
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(Exception, match="lock timeout"):
            second.execute("UPDATE device SET secret_hash = %s WHERE name = 'w2'", (hash_secret("b"),))


def test_the_last_number_falls_only_with_another_database(database_url, since):
    with connect(database_url, application_name="test") as connection:
        assert last_login_change(connection) >= since


def test_a_hash_that_is_none_counts_as_no_secret(database_url, since):
    query(database_url, "UPDATE device SET secret_hash = 'no hash' WHERE name = 'w1' RETURNING id")
    [row] = changes(database_url, since)
    assert row.secret_hash is None
