"""Curves of the console: no spike is lost by thinning, no gap is drawn over, and every drawing is well-formed."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from console.curve import drawn, thinned
from handling.alert_curve import Curve

START = datetime(2026, 7, 1, tzinfo=UTC)
END = START + timedelta(hours=15)
series = st.lists(
    st.tuples(st.integers(0, 15 * 3600 - 1), st.floats(-1e6, 1e6)), min_size=1, max_size=300, unique_by=lambda p: p[0]
).map(lambda found: tuple((START + timedelta(seconds=s), value) for s, value in sorted(found)))


def curve(points, **more):
    return Curve(zh="电压", unit="V", start=START, end=END, points=points, **more)


@given(series)
def test_thinning_keeps_the_extremes_and_the_order(points):
    kept = thinned(points, START, END)
    assert set(kept) <= set(points)
    assert kept == sorted(kept)
    values = [value for _, value in points]
    assert {min(values), max(values)} <= {value for _, value in kept}


@given(series, st.lists(st.floats(-1e6, 1e6), max_size=2))
def test_every_curve_is_well_formed_and_within_its_frame(points, limits):
    root = ET.fromstring(str(drawn(curve(points, limits=tuple(limits), mark=START + timedelta(hours=12)))))  # noqa: S314
    for line in root.iter("polyline"):
        for pair in line.get("points").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= 720
            assert 0 <= y <= 220
    assert sum(each.get("class") == "limit" for each in root.iter("line")) == len(limits)


def test_a_gap_breaks_the_line():
    minutes = [*range(60), *range(180, 240)]
    points = tuple((START + timedelta(minutes=n), 230.0 + n % 3) for n in minutes)
    assert str(drawn(curve(points))).count("<polyline") == 2


def test_its_words_say_what_it_shows_to_who_does_not_see_it():
    words = str(drawn(curve(((START, 231.5), (START + timedelta(hours=1), 245.0)), limits=(242.0,))))
    assert "电压：7月1日 08:00 到 7月1日 23:00，最低 231.5 V，最高 245 V，限值 242 V" in words
