"""Route of the readings of a device, raw or aggregated in buckets."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api import messages_zh
from api.devices import UnknownDeviceProblem, require_device
from api.household_reads import AuditedRead, record_read
from api.models import Series
from api.paging import Cursor, PageQuery
from api.parameters import BucketWidth, CommunityId, DeviceName, Instant, Store
from api.problems import InvalidProblem, Mistake, problem_responses
from api.validation_zh import ParameterError
from devices.catalogue import KIND_BY_NAME
from devices.kind import DeviceKind
from devices.kind import Field as KindField
from handling.text import Word
from store.database import Connection
from store.registry.devices import DeviceRow
from store.telemetry.read import Aggregate, allowed_aggregates, read_buckets, read_points

MAX_BUCKETS = 5000
_DEFAULT_SPAN = timedelta(days=1)
_cursor = Cursor("telemetry", datetime)

router = APIRouter(prefix="/devices", tags=["devices 设备"])


class SeriesQuery(PageQuery):
    """Period, fields and aggregation of a series."""

    start: Instant | None = Field(None, description="From this instant on. In buckets by default a day before `end`.")
    end: Instant | None = Field(None, description="Before this instant. In buckets by default now.")
    field: list[Word] | None = Field(None, description="Fields of the kind, by default all; exactly one in buckets.")
    bucket: Word | None = Field(
        None, description="Width of the buckets: `15m`, `1h`, `1d`, `1w`, `1mo`, by the clocks of Shanghai."
    )
    aggregate: Aggregate | None = Field(
        None, description="Value of a bucket. `increase`: what a counter has counted in the time of the bucket."
    )


@router.get(
    "/{community}/{device}/telemetry",
    summary="Read a device's series",
    responses=problem_responses(UnknownDeviceProblem()),
)
def read_series(
    store: Store,
    read: AuditedRead,
    community: CommunityId,
    device: DeviceName,
    query: Annotated[SeriesQuery, Query()],
) -> Series:
    """Raw readings in pages, newest first; or, with `bucket` and `aggregate`, one value for each bucket.

    A bucket of which nothing is known is left out. `increase` is consumption, as in the rules, reports and dashboards:
    the net difference of the register, across rollovers and recorded replacements (换表). False readings, resets and
    readings in doubt add nothing. A rise that spans several buckets is divided between them by time, so that buckets of
    any width have the same sum, and a reading at midnight closes the day before.
    """
    if (query.bucket is None) != (query.aggregate is None):
        raise _invalid_query(
            "bucket",
            "bucket and aggregate belong together; give none for the readings as they came",
            messages_zh.BUCKET_WITHOUT_AGGREGATE,
        )
    with store.connection() as connection:
        row = require_device(connection, community, device)
        fields = _select_fields(KIND_BY_NAME[row.kind], query.field)
        if query.bucket is None or query.aggregate is None:
            series = _read_raw(connection, row, fields, query)
        else:
            series = _read_buckets(
                connection, row, fields, query, bucket=query.bucket, aggregate=query.aggregate, now=read.now
            )
        record_read(connection, read, row, "telemetry", query)
        return series


def _read_raw(connection: Connection, row: DeviceRow, fields: list[KindField], query: SeriesQuery) -> Series:
    points = read_points(
        connection,
        row.kind,
        row.id,
        [field.name for field in fields],
        start=query.start,
        end=query.end,
        before=_cursor.decode(query.cursor),
        limit=query.limit + 1,
    )
    page = points[: query.limit]
    has_next = len(points) > query.limit
    return Series.of(row, fields, page, next_cursor=_cursor.encode(page[-1].ts) if has_next else None)


def _read_buckets(
    connection: Connection,
    row: DeviceRow,
    fields: list[KindField],
    query: SeriesQuery,
    *,
    bucket: str,
    aggregate: Aggregate,
    now: datetime,
) -> Series:
    if query.cursor is not None:
        raise _invalid_query("cursor", "buckets come in one answer, without pages", messages_zh.BUCKETS_HAVE_NO_PAGES)
    if len(fields) != 1:
        names = _names(fields)
        raise _invalid_query(
            "field",
            f"buckets are of one field: name one of {names}",
            messages_zh.one_field_of(names),
        )
    allowed = allowed_aggregates(fields[0])
    if aggregate not in allowed:
        ways = ", ".join(allowed)
        raise _invalid_query(
            "aggregate", f"{fields[0].name} can be aggregated by {ways}", messages_zh.aggregates_of(fields[0].zh, ways)
        )
    end = query.end or now
    start = query.start or end - _DEFAULT_SPAN
    if start >= end:
        raise _invalid_query("end", "end must be later than start", messages_zh.END_NOT_AFTER_START)
    width = _width(bucket)
    if (end - start) / width.min_duration > MAX_BUCKETS:
        raise _invalid_query(
            "bucket",
            f"the range has over {MAX_BUCKETS} buckets: choose wider ones or a shorter range",
            messages_zh.too_many_buckets(MAX_BUCKETS),
        )
    points = read_buckets(
        connection, row.kind, row.id, fields[0], aggregate, start=start, end=end, width=width.interval
    )
    return Series.of(row, fields, points, bucket=bucket, aggregate=aggregate)


def _select_fields(kind: DeviceKind, names: list[str] | None) -> list[KindField]:
    if names is None:
        return list(kind.fields)
    known = {field.name: field for field in kind.fields}
    if not known.keys() >= set(names):
        fields = _names(kind.fields)
        raise _invalid_query("field", f"{kind.name} has the fields {fields}", messages_zh.fields_of(kind.zh, fields))
    return [known[name] for name in dict.fromkeys(names)]


def _width(text: str) -> BucketWidth:
    try:
        return BucketWidth.parse(text)
    except ParameterError as error:
        raise _invalid_query("bucket", str(error), error.zh) from None


def _names(fields: Iterable[KindField]) -> str:
    return ", ".join(field.name for field in fields)


def _invalid_query(parameter: str, message: str, message_zh: str) -> InvalidProblem:
    return InvalidProblem(Mistake(["query", parameter], message, "value_error", message_zh))
