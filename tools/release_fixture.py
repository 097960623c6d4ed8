"""Write the database of a release as a small fixture, from which a test rehearses every later upgrade.

Run it with the database of a running `anju up --demo` of the release, ten minutes old, with some alerts worked on:

    python -m tools.release_fixture postgresql://... tests/upgrades/0.1.0.json.gz
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_ALL = sql.SQL("SELECT {names} FROM {table}")
_NEWEST = sql.SQL(
    """
    SELECT {names} FROM (
        SELECT *, row_number() OVER (PARTITION BY device_id ORDER BY ts DESC) AS age FROM {table}
    ) AS aged
    WHERE age <= 3
    """
)
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '^(procrastinate|job_schema)'
      AND NOT EXISTS (
          SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
      )
    ORDER BY relname
"""
_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


def write_fixture(url: str, file: Path) -> None:
    """Write the columns and rows of every table; of telemetry and events the newest rows of each device."""
    tables: dict[str, Any] = {}
    with psycopg.connect(url) as connection:
        for (name,) in connection.execute(_TABLES).fetchall():
            columns = connection.execute(_COLUMNS, (name,)).fetchall()
            names = sql.SQL(", ").join(sql.Identifier(column) for column, _ in columns)
            many = name == "event" or name.startswith("telemetry_")
            rows = (_NEWEST if many else _ALL).format(names=names, table=sql.Identifier(name))
            with connection.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(rows)) as copied:
                text = b"".join(bytes(block) for block in copied).decode()
            tables[name] = {"columns": dict(columns), "rows": text}
    # Without a time of its own in the header, so that the same contents are the same file.
    file.write_bytes(gzip.compress(json.dumps({"tables": tables}, ensure_ascii=False).encode(), mtime=0))


if __name__ == "__main__":
    write_fixture(sys.argv[1], Path(sys.argv[2]))
