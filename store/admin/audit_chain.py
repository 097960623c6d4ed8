"""The chain of the audit log: each row holds the hash of its content and of the row before it.

The hash is SHA-256 (FIPS 180-4) of the hash of the row before, 32 zero bytes for the first row, followed by the fields
of `ChainedRow` from `id` to `request_key`. Each field is a netstring (https://cr.yp.to/proto/netstrings.txt): the
length of its UTF-8 text in bytes, ":", the text and ","; a missing one is "-,". The database computes the hash as a row
is inserted (`audit_hash`). This module computes it again, and needs no database for an export.

Within the database only the end of the chain can be cut off unseen. Hence heads are kept elsewhere: in exports and in
the log of the worker.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from psycopg import sql

from store.database import FETCH_ROWS, Connection

START = "00" * 32
"""The hash before the first row."""


class Head(NamedTuple):
    """The newest row of a chain: its id and its hash in hexadecimal digits; the id is 0 if there is none."""

    id: int
    hash: str


class ChainedRow(NamedTuple):
    """A row of the audit log as it is hashed: texts only, the time in UTC, `before` and `after` as JSON."""

    id: int
    at: str
    actor: str
    person: str | None
    action: str
    subject: str
    subject_id: str
    before: str
    after: str
    request_key: str | None
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of a check. `broken` is the first row that does not follow from the row before it, or None.

    `head` is the last row that does.
    """

    rows: int
    head: Head
    broken: int | None = None


def row_hash(row: ChainedRow) -> str:
    """Return the hash that the row has to have, in hexadecimal digits."""
    fields = b"".join(map(_netstring, row[:-2]))
    return hashlib.sha256(bytes.fromhex(row.previous) + fields).hexdigest()


def check_chain(rows: Iterable[ChainedRow]) -> ChainReport:
    """Check rows in the order of their ids up to the first broken one. The first may follow rows that are elsewhere."""
    report: ChainReport | None = None
    for row in rows:
        follows = report is None or (row.previous == report.head.hash and row.id > report.head.id)
        if not follows or row_hash(row) != row.hash:
            return replace(report or ChainReport(0, Head(0, row.previous)), broken=row.id)
        report = ChainReport(1 + (report.rows if report else 0), Head(row.id, row.hash))
    return report or ChainReport(0, Head(0, START))


def read_chain(connection: Connection, since: datetime | None = None) -> Iterator[ChainedRow]:
    """Yield the rows in the order of their ids, from the first one at `since` or later on, in a transaction."""
    with connection.cursor(name="audit_chain") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(
            """
            SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, person, action, subject,
                   subject_id, before::text, after::text, request_key,
                   encode(coalesce(
                       lag(hash) OVER (ORDER BY id),
                       (SELECT hash FROM audit_log AS earlier WHERE earlier.id < audit_log.id ORDER BY id DESC LIMIT 1),
                       decode(%(start)s, 'hex')
                   ), 'hex'),
                   encode(hash, 'hex')
            FROM audit_log
            WHERE id >= (
                SELECT min(id) FROM audit_log WHERE %(since)s::timestamptz IS NULL OR at >= %(since)s
            )
            ORDER BY id
            """,
            {"start": START, "since": since},
        )
        for row in cursor:
            yield ChainedRow(*row)


def read_head(connection: Connection) -> Head:
    """Return the newest row as the writers of the log know it."""
    row = connection.execute("SELECT id, encode(hash, 'hex') FROM audit_head").fetchone()
    return Head(*row) if row else Head(0, START)


def contains(connection: Connection, head: Head) -> bool:
    """Return whether the log still has this row with this hash."""
    row = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM audit_log WHERE id = %s AND hash = decode(%s, 'hex'))"), head
    ).fetchone()
    return head.id == 0 or (row is not None and bool(row[0]))


def _netstring(value: str | int | None) -> bytes:
    if value is None:
        return b"-,"
    text = str(value).encode(errors="surrogatepass")  # an export may hold anything
    return b"%d:%s," % (len(text), text)
