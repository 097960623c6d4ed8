"""What holds for every connection to the database."""

import socket

import pytest

from store.database import Database, connect


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


def patience_s(connection):
    """How long TCP waits for a sign of the other side, with nothing on its way, and with something unacknowledged."""
    with socket.socket(fileno=connection.fileno()) as tcp:
        idle, interval, count, unacknowledged_ms = (
            tcp.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        )
        keeps_alive = tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        tcp.detach()
    assert keeps_alive
    return idle + interval * count, unacknowledged_ms / 1000
