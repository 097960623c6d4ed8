"""Times, addresses and cookies of the console, without a server."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.page_session import is_same_origin, read_cookie, session_cookie
from accounts.principal import Principal, Role, Scope
from console.inbox import InboxQuery, Tab, read_key, write_key
from console.navigation import places
from console.rendering import local_path
from console.times import clock_time, day_time, duration, relative
from rules.model.rule import Severity
from store.alerts.alerts import AlertKey

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)  # noon in the city
instants = st.integers(0, 10**8).map(lambda seconds: NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW - timedelta(hours=1), "今天 11:00"),
        (NOW - timedelta(hours=13), "昨天 23:00"),
        (NOW - timedelta(days=3), "6月28日 12:00"),
        (NOW - timedelta(days=365), "2025年7月1日 12:00"),
    ],
)
def test_a_time_has_as_much_of_its_date_as_is_not_todays(at, words):
    assert day_time(at, NOW) == words
    assert clock_time(NOW) == "2026-07-01 12:00:00"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "不到 1 分钟"),
        (timedelta(minutes=59), "59 分钟"),
        (timedelta(hours=2, minutes=5), "2 小时 5 分钟"),
        (timedelta(hours=7, minutes=5), "7 小时"),
        (timedelta(days=2, hours=3), "2 天 3 小时"),
        (timedelta(days=9, hours=3), "9 天"),
    ],
)
def test_a_span_has_the_units_that_matter(span, words):
    assert duration(span) == words


def test_a_moment_ago_and_a_moment_ahead():
    assert relative(NOW - timedelta(seconds=3), NOW) == "刚刚"
    assert relative(NOW + timedelta(seconds=3), NOW) == "马上"
    assert relative(NOW + timedelta(minutes=3), NOW) == "3 分钟后"


@given(st.sampled_from(list(Severity)), instants)
def test_a_place_in_a_list_is_read_back(severity, at):
    key = AlertKey(severity, at, uuid4())
    assert read_key(write_key(key)) == key


@pytest.mark.parametrize("text", [None, "", "x", "critical~", "critical~2026~x", "~~", "boss~2026-07-01~1"])
def test_a_damaged_place_begins_the_list_anew(text):
    assert read_key(text) is None


@given(
    st.sampled_from(list(Tab)), st.none() | st.sampled_from(list(Severity)), st.none() | st.text(min_size=1, max_size=9)
)
def test_an_address_holds_tab_and_filters(tab, severity, text):
    query = parse_qs(urlsplit(InboxQuery(tab, severity, text=text).address()).query, keep_blank_values=True)
    assert query.get("tab", ["waiting"]) == [tab]
    assert query.get("severity", [None]) == [severity]
    assert query.get("text", [None]) == [text]


def test_each_tab_asks_for_other_alerts():
    person = Principal(1, "wang", "王经理", Role.PROPERTY, Scope(everything=True))
    asked = [InboxQuery(tab).conditions(person) for tab in Tab]
    assert all(one != other for n, one in enumerate(asked) for other in asked[n + 1 :])
    assert InboxQuery(Tab.MINE).conditions(person).assignee == ["王经理", "wang"]


@given(st.text(max_size=30))
def test_a_login_goes_on_within_the_site(text):
    path = local_path(text)
    assert path.startswith("/")
    assert not path.startswith("//")
    assert "\\" not in path


@pytest.mark.parametrize("secure", [False, True])
def test_a_cookie_is_read_back_and_closed_to_scripts_and_other_sites(secure):
    header = session_cookie("anju_s_x", NOW + timedelta(hours=1), NOW, secure=secure)
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"} <= set(header.split("; "))
    assert ("Secure" in header) == header.startswith("__Host-") == secure
    assert read_cookie(f"other=1; {header.split(';')[0]}", secure=secure) == "anju_s_x"
    assert read_cookie("other=1", secure=secure) is None


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, True),
        ({b"sec-fetch-site": b"same-origin", b"origin": b"https://evil"}, True),
        ({b"sec-fetch-site": b"cross-site"}, False),
        ({b"origin": b"http://anju.example", b"host": b"anju.example"}, True),
        ({b"origin": b"https://anju.example", b"host": b"anju.example"}, False),
        ({b"origin": b"null", b"host": b"anju.example"}, False),
    ],
)
def test_a_form_comes_from_this_site(headers, same):
    assert is_same_origin(headers, scheme="http") is same


@pytest.mark.parametrize("role", Role)
def test_every_role_has_a_place_to_go(role):
    assert places(role)[-1].path == "/me"
