"""When the next backup is made, and which key it opens with."""

from datetime import UTC, datetime, time, timedelta

import pyrage
from hypothesis import given
from hypothesis import strategies as st

from app.backup_file import _bech32, identity_of, key_id_of
from app.commands.backup import next_time
from devices.local_time import CITY

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(moments, times)
def test_the_next_time_is_the_first_at_which_the_clocks_of_the_city_show_it(now: datetime, at: time) -> None:
    then = next_time(now, at)
    assert now < then <= now + timedelta(days=1)
    assert then.astimezone(CITY).time() == at


@given(st.binary(min_size=32, max_size=32))
def test_a_key_in_the_notation_of_age_is_the_one_that_age_reads(key: bytes) -> None:
    text = _bech32("age-secret-key-", key).upper()
    assert str(pyrage.x25519.Identity.from_str(text)) == text


@given(st.text(min_size=16), st.text(min_size=16))
def test_every_secret_key_has_an_identity_and_a_name_of_its_own(one: str, other: str) -> None:
    same = one == other
    assert (str(identity_of(one)) == str(identity_of(other))) is same
    assert (key_id_of(one) == key_id_of(other)) is same
    assert key_id_of(one) not in str(identity_of(one)).lower()
