"""Bounds of the HTTP server: rates, guesses, hosts and addresses, each as a law or a table."""

import asyncio

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from api.access import GuessBrake, KeyGuard, client_address
from api.hosts import is_own_host
from api.limits import TokenBuckets, body_limits, takes_files
from api.refusals import Refusals
from store.database import Database

pauses = st.lists(st.floats(0, 3, allow_nan=False), max_size=60)


@given(pauses=pauses, rate=st.integers(1, 20))
def test_no_span_of_time_holds_more_than_the_rate_and_one_burst(pauses: list[float], rate: int) -> None:
    buckets, now, granted = TokenBuckets(rate, 2.0), 0.0, []
    for pause in pauses:
        now += pause
        if buckets.take("one", now) == 0:
            granted.append(now)
    for number, first in enumerate(granted):
        for last in range(number, len(granted)):
            assert last - number + 1 <= rate * (granted[last] - first + 2.0) + 1e-6


@given(pauses=pauses)
def test_who_waits_as_long_as_told_is_let_through(pauses: list[float]) -> None:
    buckets, now = TokenBuckets(2, 2.0), 0.0
    for pause in pauses:
        now += pause
        if wait_s := buckets.take("one", now):
            now += wait_s + 1e-6
            assert buckets.take("one", now) == 0


def test_one_owner_takes_nothing_from_another() -> None:
    buckets = TokenBuckets(1, 1.0)
    assert buckets.take("one", 0.0) == 0
    assert buckets.take("one", 0.0) > 0
    assert buckets.take("two", 0.0) == 0


def test_a_crowd_of_owners_takes_bounded_memory() -> None:
    buckets = TokenBuckets(1, 1.0)
    for number in range(20_000):
        buckets.take(number, 0.0)
    assert len(buckets._full_at) == 10_000  # noqa: SLF001


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        (b"Bearer a-key-of-sixteen", True),
        (b"bearer  a-key-of-sixteen", True),
        (b"Bearer a-key-of-sixteeN", False),
        (b"Bearer a-key-of-sixteen x", False),
        (b"Bearer", False),
        (b"Bearer ", False),
        (b"Basic a-key-of-sixteen", False),
        (b"a-key-of-sixteen", False),
        (b"", False),
    ],
)
def test_only_the_whole_key_as_a_bearer_is_admitted(no_database: Database, header: bytes, *, admitted: bool) -> None:
    caller = asyncio.run(KeyGuard("a-key-of-sixteen", no_database).admit(header))
    assert (caller is not None) is admitted


def test_a_key_of_other_letters_is_compared_as_it_is_sent(no_database: Database) -> None:
    key = "密钥密钥密钥密钥密钥密钥密钥密钥"
    assert asyncio.run(KeyGuard(key, no_database).admit(f"Bearer {key}".encode()))


@pytest.fixture
def no_database() -> Database:
    """Database that nothing may be asked of: the shared key is no matter of it."""
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    database.close()
    return database


def test_a_guesser_is_braked_after_thirty_keys_and_then_has_one_in_ten_seconds() -> None:
    brake = GuessBrake()
    for number in range(30):
        assert brake.wait_s("guesser", 0.0) == 0
        brake.charge("guesser", b"Bearer %d" % number, 0.0)
    assert brake.wait_s("guesser", 0.0) == pytest.approx(10)
    assert brake.wait_s("somebody", 0.0) == 0
    assert brake.wait_s("guesser", 10.1) == 0
    brake.charge("guesser", b"Bearer next", 10.1)
    assert brake.wait_s("guesser", 10.1) > 9


def test_a_program_with_an_old_key_is_no_guesser() -> None:
    brake = GuessBrake()
    for _ in range(250):
        brake.charge("program", b"Bearer old", 0.0)
    assert brake.wait_s("program", 0.0) == 0


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1:8000", b"192.168.1.20", b"[fd00::1]:8000", b"[::1]", b"localhost:8000", b"api", b"api:8000",
        b"anju.local", b"ANJU.LAN:8000", b"pc.home.arpa", b"anju.example.com", b"ANJU.example.com.:443",
        b"a.street.gov.cn", b"a.b.street.gov.cn", None,
    ],
)  # fmt: skip
def test_addresses_local_names_and_the_names_of_the_settings_are_own_hosts(host: bytes | None) -> None:
    assert is_own_host(host, ["anju.example.com", "*.street.gov.cn"])


@pytest.mark.parametrize(
    "host",
    [b"evil.example", b"anju.example.com.evil.example", b"xstreet.gov.cn", b"street.gov.cn", b"", b":8000", b"1.2.3",
     b"127.0.0.1.evil.example", b"[evil.example]", b"\xe5\xae\x89.example"],
)  # fmt: skip
def test_other_names_are_refused(host: bytes) -> None:
    assert not is_own_host(host, ["anju.example.com", "*.street.gov.cn"])


def test_a_star_lets_every_name_in() -> None:
    assert is_own_host(b"anything.example", ["*"])


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("10.0.0.5", 1234), "10.0.0.5"),
        (("::ffff:10.0.0.5", 1234), "10.0.0.5"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::"),
        (("fe80::1%eth0", 1), "fe80::"),
        (("a-word-of-a-proxy", 0), "a-word-of-a-proxy"),
        (None, "local"),
    ],
)
def test_limits_count_an_address_or_the_network_of_a_customer(client: tuple[str, int] | None, address: str) -> None:
    assert client_address(client) == address


def test_only_an_operation_with_files_takes_large_bodies() -> None:
    files = {"requestBody": {"content": {"multipart/form-data": {}}}}
    around = 64 * 1024  # the form around the file
    assert body_limits(with_files=takes_files(files))[0] == 8 * 1024 * 1024 + around
    for other in ({}, {"requestBody": {"content": {"application/json": {}}}}):
        assert body_limits(with_files=takes_files(other))[0] == 64 * 1024


@pytest.fixture
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logger that no earlier test has bound to its own configuration."""
    monkeypatch.setattr("api.refusals._log", structlog.get_logger())


@pytest.mark.usefixtures("fresh_log")
def test_refusals_are_all_counted_and_few_are_logged() -> None:
    registry, now = CollectorRegistry(), [0.0]
    refusals = Refusals(registry, lambda: now[0])
    with capture_logs() as lines:
        for number in range(50_000):
            refusals.record("key_wrong", f"10.0.{number // 250}.{number % 250}")
        now[0] = 61.0
        for _ in range(5):
            refusals.record("key_wrong", "10.0.199.249")
    assert registry.get_sample_value("anju_http_refused_requests_total", {"reason": "key_wrong"}) == 50_005
    assert len(lines) == 31
    assert lines[-1]["address"] == "10.0.199.249"
    assert len(refusals._unlogged) <= 10_000  # noqa: SLF001


@pytest.mark.usefixtures("fresh_log")
def test_a_later_line_tells_how_many_went_before_it() -> None:
    now = [0.0]
    refusals = Refusals(CollectorRegistry(), lambda: now[0])
    with capture_logs() as lines:
        for second in (0, 1, 2, 70):
            now[0] = float(second)
            refusals.record("rate", "10.0.0.5")
    assert [line["unlogged_before"] for line in lines] == [0, 2]
