"""Cursors and widths of buckets: round trips, and refusals of other texts."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import Cursor, Page
from api.parameters import BucketWidth
from api.problems import InvalidProblem

ALERTS = Cursor("alerts", tuple[datetime, UUID])
EVENTS = Cursor("events", tuple[datetime, str, str])
COMMUNITIES = Cursor("communities", str)

instants = st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
text = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.tuples(instants, st.uuids()))
def test_a_cursor_leads_back_to_its_key_to_the_microsecond(key: tuple[datetime, UUID]) -> None:
    assert ALERTS.decode(ALERTS.encode(key)) == key


@given(st.tuples(instants, text, text))
def test_a_cursor_keeps_any_text(key: tuple[datetime, str, str]) -> None:
    assert EVENTS.decode(EVENTS.encode(key)) == key


@given(text)
def test_a_cursor_needs_no_escaping_in_a_url(key: str) -> None:
    assert set(COMMUNITIES.encode(key)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_cursor_is_the_first_page() -> None:
    assert COMMUNITIES.decode(None) is None


@given(text)
def test_a_cursor_of_one_list_is_none_of_another(key: str) -> None:
    with pytest.raises(InvalidProblem):
        Cursor("devices", str).decode(COMMUNITIES.encode(key))


@given(text)
def test_an_invalid_cursor_is_refused(nonsense: str) -> None:
    with pytest.raises(InvalidProblem):
        ALERTS.decode(nonsense)


json_values = st.recursive(st.none() | st.booleans() | st.floats() | text, lambda inner: st.lists(inner, max_size=3))


@given(json_values)
def test_a_cursor_with_a_foreign_content_is_refused(content: Any) -> None:
    forged = base64.urlsafe_b64encode(json.dumps(["alerts", content]).encode()).decode().rstrip("=")
    with pytest.raises(InvalidProblem):
        ALERTS.decode(forged)


@given(st.lists(st.integers(), max_size=9, unique=True).map(sorted), st.integers(1, 10))
def test_pages_of_any_size_give_each_row_once(rows: list[int], limit: int) -> None:
    seen: list[int] = []
    cursor: str | None = None
    while True:
        rest = [row for row in rows if cursor is None or row > int(cursor)]
        page = Page[int].of(rest[: limit + 1], limit, lambda row: row, str)
        assert len(page.items) <= limit
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == rows


@pytest.mark.parametrize(
    ("written", "interval", "min_duration"),
    [
        ("15m", "15 minutes", timedelta(minutes=15)),
        ("1h", "1 hours", timedelta(hours=1)),
        ("7d", "7 days", timedelta(days=7)),
        ("2w", "2 weeks", timedelta(weeks=2)),
        ("1mo", "1 months", timedelta(days=28)),
    ],
)
def test_a_width_is_a_number_and_a_unit(written: str, interval: str, min_duration: timedelta) -> None:
    assert BucketWidth.parse(written) == BucketWidth(interval, min_duration)


@pytest.mark.parametrize("written", ["", "1", "h", "0h", "1.5h", "-1h", "1 h", "1H", "1y", "10000m", "1h\n", "１h"])
def test_an_invalid_width_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="15m"):
        BucketWidth.parse(written)
