"""Every connection to the database: its timeouts, and the errors it raises."""

import socket

import pytest

from store.database import Database, DatabaseUnavailableError, UnusableDataError, connect, translated_errors


@pytest.mark.parametrize("pooled", [False, True])
def test_a_server_that_vanishes_without_a_word_is_noticed_within_ten_seconds(database_url, pooled):
    if pooled:
        database = Database(database_url, application_name="test")
        with database.connection() as connection:
            waits_s = patience_s(connection)
        database.close()
    else:
        with connect(database_url, application_name="test") as connection:
            waits_s = patience_s(connection)
    assert max(waits_s) < 10


@pytest.mark.parametrize(
    ("sqlstate", "raised"),
    [
        ("53100", DatabaseUnavailableError),  # disk_full
        ("53300", DatabaseUnavailableError),  # too_many_connections
        ("25006", DatabaseUnavailableError),  # read_only_sql_transaction
        ("54000", UnusableDataError),  # program_limit_exceeded, such as a text too long for its index
        ("53400", UnusableDataError),  # configuration_limit_exceeded
        ("22P02", UnusableDataError),  # invalid_text_representation
    ],
)
def test_an_error_that_may_pass_is_distinguished_from_one_that_does_not(database_url, sqlstate, raised):
    with (
        connect(database_url, application_name="test") as connection,
        pytest.raises(raised, match="as the test says"),
        translated_errors(),
    ):
        connection.execute(f"DO $$ BEGIN RAISE 'as the test says' USING ERRCODE = '{sqlstate}'; END $$")


def patience_s(connection):
    """Return how long TCP waits for the other side, on an idle connection and with unacknowledged data, in seconds."""
    with socket.socket(fileno=connection.fileno()) as tcp:
        idle, interval, count, unacknowledged_ms = (
            tcp.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        )
        keeps_alive = tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        tcp.detach()
    assert keeps_alive
    return idle + interval * count, unacknowledged_ms / 1000
