"""The chain of the audit log: whatever is changed, taken out or put in breaks it at that row."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from store.admin.audit_chain import START, ChainedRow, Head, check_chain, row_hash

TEXT = st.text(max_size=20)
CONTENT = st.tuples(TEXT, st.none() | TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, st.none() | TEXT)
HASHED = ChainedRow._fields[:-2]


def chained(contents, start=START):
    """Return rows with these contents, chained as the database does it."""
    rows, previous = [], start
    for number, content in enumerate(contents, 1):
        row = ChainedRow(number, "2026-12-01T00:00:00.000000Z", *content, previous, "")
        row = row._replace(hash=row_hash(row))
        rows.append(row)
        previous = row.hash
    return rows


def relinked(rows):
    """Return the rows with the hash of the row before them as `previous`, as they are read from a table."""
    links = [START, *(row.hash for row in rows)]
    return [row._replace(previous=link) for row, link in zip(rows, links, strict=False)]


def test_the_canonical_form_is_the_documented_one():
    row = ChainedRow(7, "2026-12-01T00:00:00.000000Z", "api", None, "assign", "alert", "甲", "{}", "{}", "k", START, "")
    text = "1:7,27:2026-12-01T00:00:00.000000Z,3:api,-,6:assign,5:alert,3:甲,2:{},2:{},1:k,"
    assert row_hash(row) == hashlib.sha256(bytes(32) + text.encode()).hexdigest()


@given(st.lists(CONTENT, max_size=8))
def test_an_untouched_chain_is_whole(contents):
    rows = chained(contents)
    report = check_chain(rows)
    assert (report.rows, report.broken) == (len(rows), None)
    assert report.head == (Head(rows[-1].id, rows[-1].hash) if rows else Head(0, START))


@given(st.lists(CONTENT, min_size=1, max_size=8), st.data())
def test_a_part_of_a_chain_is_whole_by_itself(contents, data):
    first = data.draw(st.integers(0, len(contents) - 1))
    assert check_chain(chained(contents)[first:]).broken is None


@given(st.lists(CONTENT, min_size=1, max_size=8), st.data())
def test_a_changed_field_breaks_the_chain_at_its_row(contents, data):
    rows = chained(contents)
    at, name = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(HASHED[1:]))
    value = data.draw((TEXT | st.none()).filter(lambda text: text != getattr(rows[at], name)))
    rows[at] = rows[at]._replace(**{name: value})
    assert check_chain(rows).broken == rows[at].id


@given(st.lists(CONTENT, min_size=2, max_size=8), st.data())
def test_text_moved_from_one_field_to_the_next_breaks_the_chain(contents, data):
    rows = chained(contents)
    at = data.draw(st.integers(0, len(rows) - 1))
    moved = rows[at]._replace(subject=rows[at].subject + rows[at].subject_id, subject_id="")
    if moved != rows[at]:
        assert check_chain([*rows[:at], moved, *rows[at + 1 :]]).broken == rows[at].id


@given(st.lists(CONTENT, min_size=2, max_size=8), st.data())
def test_a_row_taken_out_before_the_last_breaks_the_chain_at_the_next(contents, data):
    rows = chained(contents)
    at = data.draw(st.integers(0, len(rows) - 2))
    left = relinked([*rows[:at], *rows[at + 1 :]])
    assert check_chain(left).broken == rows[at + 1].id


@given(st.lists(CONTENT, min_size=1, max_size=8), CONTENT, st.data())
def test_a_row_put_in_breaks_the_chain(contents, foreign, data):
    rows = chained(contents)
    at = data.draw(st.integers(0, len(rows) - 1))
    before = rows[at - 1].hash if at else START
    put_in = ChainedRow(rows[at].id, rows[at].at, *foreign, before, "")
    put_in = put_in._replace(hash=row_hash(put_in))
    assert check_chain(relinked([*rows[:at], put_in, *rows[at:]])).broken == rows[at].id


@given(st.lists(CONTENT, min_size=2, max_size=8, unique=True), st.data())
def test_two_rows_that_change_places_break_the_chain_at_the_first(contents, data):
    rows = chained(contents)
    at = data.draw(st.integers(0, len(rows) - 2))
    rows[at], rows[at + 1] = rows[at + 1], rows[at]
    assert check_chain(relinked(rows)).broken == rows[at].id
