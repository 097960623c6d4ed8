"""How long a receiver asks to wait is read in both forms of RFC 9110, and anything else is no wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.errors import RefusedError
from notify.http_post import post_json, retry_after_s

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)


@given(st.integers(-86_400, 86_400))
def test_a_date_is_the_seconds_until_then_and_never_less_than_none(seconds):
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_s(date, NOW) == max(0.0, seconds)


@given(st.integers(0, 10**9))
def test_a_number_is_seconds(seconds):
    assert retry_after_s(f" {seconds} ", NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "Wed, 99 Jul 2026 04:00:00 GMT"])
def test_a_missing_or_unclear_header_is_no_wait(header):
    assert retry_after_s(header, NOW) is None


@given(st.text())
def test_no_text_is_an_error(header):
    wait_s = retry_after_s(header, NOW)
    assert wait_s is None or wait_s >= 0


def test_an_address_that_is_none_is_refused_for_good_without_being_quoted():
    with pytest.raises(RefusedError, match="the address can't be used") as refused:
        post_json("http://127.0.0.1:secret-token/", {})
    assert "secret-token" not in str(refused.value)
