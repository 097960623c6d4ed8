"""Routes of witnessed tests: alarms that people trigger on site, and whether they arrived."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from acceptance.labels import TEST_RESULT
from acceptance.witnessed import (
    EXPECTED_EVENTS,
    DeliveryResult,
    Entry,
    RecordRefusedError,
    record_test,
    result_of,
)
from api import messages_zh
from api.changes import Idempotent, Signed
from api.models import ResponseModel, Simulated
from api.paging import Cursor, Page, PageQuery
from api.parameters import Instant, Now, Store, read_clock
from api.problems import InvalidProblem, Mistake, RefusedProblem, UnknownProblem, problem_responses
from devices.place import compose_place
from handling.text import Name, Reason, Word
from rules.model.kind_labels import event_label, kind_label
from store.admin.audit import Change, record_change
from store.database import Connection
from store.telemetry.witnessed_tests import (
    WitnessedTestFilter,
    WitnessedTestRow,
    list_witnessed_tests,
    withdraw_witnessed_test,
)

router = APIRouter(prefix="/witnessed-tests", tags=["witnessed tests 现场测试"])
_cursor = Cursor("witnessed-tests", tuple[datetime, UUID])

TestId = Annotated[UUID, Path(description="The id of a test.")]


class UnknownTestProblem(UnknownProblem):
    """No witnessed test has the id of the path."""

    def __init__(self) -> None:
        """Say where they are listed."""
        super().__init__(
            "There is no test of that id; GET /api/v1/witnessed-tests lists them.", messages_zh.TEST_NOT_FOUND
        )


class WitnessedTest(ResponseModel):
    """Alarm that a person triggered on site. It counts in acceptance unless it is withdrawn."""

    id: UUID
    community: str
    device: str = Field(examples=["b01-u1-0301-gas"])
    kind: str = Field(examples=["gas_meter"])
    kind_zh: str = Field(examples=["燃气表"])
    place: str = Field(examples=["1号楼1单元301室"])
    event: str = Field(examples=["gas_leak"])
    event_zh: str = Field(examples=["燃气泄漏"])
    triggered_at: datetime
    by: str = Field(description="The person who triggered it.")
    how: str
    recorded_at: datetime
    result: DeliveryResult
    result_zh: str = Field(examples=["已送达"])
    limit_s: int | None = Field(description="Seconds within which the event has to arrive.")
    arrived_at: datetime | None = Field(description="When the event arrived; null if it did not within the limit.")
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_because: str | None
    simulated: Simulated

    @classmethod
    def of(cls, row: WitnessedTestRow, now: datetime) -> "WitnessedTest":
        """Translate a row."""
        result = result_of(row, now)
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in WitnessedTestRow.__slots__},
                "kind_zh": kind_label(row.kind),
                "place": compose_place(row.building, row.unit, row.room, row.location),
                "event_zh": event_label(row.kind, row.event),
                "by": row.tested_by,
                "result": result,
                "result_zh": TEST_RESULT[result],
                "limit_s": row.within and row.within // timedelta(seconds=1),
            }
        )


class TestRecord(Signed):
    """Record of a test."""

    community: Word = Field(examples=["jinhe-yuan"])
    device: Word = Field(description="The id of a device of the community.", examples=["b01-u1-0301-gas"])
    event: Word | None = Field(None, description="The tested event; a kind with one tested event needs none.")
    triggered_at: Instant = Field(description="To the second, as soon as it was triggered.")
    by: Name = Field(description="The person who triggered it.", examples=["街道 王某"])
    how: Reason = Field(description="In words.", examples=["用检漏气体对准探头 5 秒"])


class Withdrawal(Signed):
    """Reason to withdraw a test."""

    reason: Reason = Field(examples=["记错了设备"])


class TestsQuery(PageQuery):
    """Filters of the list of tests."""

    community: Word | None = None
    device: Word | None = Field(None, description="The id of a device of the community.")
    start: Instant | None = Field(None, description="Triggered then or later.")
    end: Instant | None = Field(None, description="Triggered before then.")


@router.get("", summary="List witnessed tests (现场测试)")
def list_tests(store: Store, now: Now, query: Annotated[TestsQuery, Query()]) -> Page[WitnessedTest]:
    """Tests with their results, latest first; withdrawn ones are included."""
    conditions = WitnessedTestFilter(community=query.community, device=query.device, start=query.start, end=query.end)
    with store.connection() as connection:
        rows = list_witnessed_tests(
            connection, conditions, EXPECTED_EVENTS, before=_cursor.decode(query.cursor), limit=query.limit + 1
        )
    return Page[WitnessedTest].of(
        rows,
        query.limit,
        lambda row: WitnessedTest.of(row, now),
        lambda row: _cursor.encode((row.triggered_at, row.id)),
    )


@router.get("/{test_id}", summary="Read a witnessed test", responses=problem_responses(UnknownTestProblem()))
def read_test(store: Store, now: Now, test_id: TestId) -> WitnessedTest:
    """One test with its result."""
    with store.connection() as connection:
        return WitnessedTest.of(_find_test(connection, test_id), now)


@router.post("", summary="Record a witnessed test (现场测试)", status_code=201)
def create_test(request: Idempotent, record: TestRecord) -> WitnessedTest:
    """Record an alarm right after it was triggered. Its event may arrive before the record."""
    now, signature = read_clock(), request.sign()
    with request.store.connection() as connection:
        earlier_id = request.earlier_subject_id(connection, "create", "witnessed_test", None)
        if earlier_id:
            return WitnessedTest.of(_find_test(connection, UUID(earlier_id)), now)
        try:
            test_id = record_test(connection, Entry(**record.model_dump()), now)
        except RecordRefusedError as error:
            raise InvalidProblem(Mistake(["body", error.part], str(error), "record_refused")) from None
        record_change(
            connection,
            Change(
                at=now, actor=signature.actor, person=signature.person or record.by, action="create",
                subject="witnessed_test", subject_id=str(test_id), before={}, after=record.model_dump(mode="json"),
                request_key=request.key,
            ),
        )  # fmt: skip
        return WitnessedTest.of(_find_test(connection, test_id), now)


@router.post(
    "/{test_id}/withdraw",
    summary="Withdraw a witnessed test",
    responses=problem_responses(UnknownTestProblem(), RefusedProblem(messages_zh.TEST_WITHDRAWN)),
)
def withdraw_test(request: Idempotent, test_id: TestId, withdrawal: Withdrawal) -> WitnessedTest:
    """Withdraw a test recorded by mistake. It counts for nothing; reports list it with the reason."""
    now, signature = read_clock(), request.sign(withdrawal)
    with request.store.connection() as connection:
        if request.earlier_subject_id(connection, "withdraw", "witnessed_test", str(test_id)) is None:
            _find_test(connection, test_id)
            if not withdraw_witnessed_test(connection, test_id, at=now, by=signature.shown, because=withdrawal.reason):
                raise RefusedProblem(messages_zh.TEST_WITHDRAWN)
            record_change(
                connection,
                Change(
                    at=now, actor=signature.actor, person=signature.person, action="withdraw", subject="witnessed_test",
                    subject_id=str(test_id), before={}, after={"reason": withdrawal.reason}, request_key=request.key,
                ),
            )  # fmt: skip
        return WitnessedTest.of(_find_test(connection, test_id), now)


def _find_test(connection: Connection, test_id: UUID) -> WitnessedTestRow:
    rows = list_witnessed_tests(connection, WitnessedTestFilter(id=test_id), EXPECTED_EVENTS)
    if not rows:
        raise UnknownTestProblem
    return rows[0]
