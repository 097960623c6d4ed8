"""`anju witness`: record of alarms that people trigger on site, and whether they arrived."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from acceptance.labels import TEST_RESULT
from acceptance.witnessed import EXPECTED_EVENTS, Entry, RecordRefusedError, event_zh, record_test, result_of
from app.audit import audit_command
from app.database import transaction
from app.output import Exit, Json, fail, say, say_json
from app.people_text import require_visible
from app.tables import say_table
from devices.local_time import CITY
from devices.place import compose_place
from store.telemetry.witnessed_tests import (
    WitnessedTestFilter,
    WitnessedTestRow,
    list_witnessed_tests,
    withdraw_witnessed_test,
)

_TIME_FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
_COMMAND = "anju witness"
_SUBJECT = "witnessed_test"


def add(
    community: Annotated[str, typer.Argument(help="id of the community")],
    device: Annotated[str, typer.Argument(help="id of the device")],
    *,
    by: Annotated[str, typer.Option(help="the person who triggered the alarm", callback=require_visible)],
    how: Annotated[str, typer.Option(help="the way it was triggered, in words", callback=require_visible)],
    at: Annotated[
        datetime | None, typer.Option(formats=_TIME_FORMATS, help="when, local time to the second; by default now")
    ] = None,
    event: Annotated[str | None, typer.Option(help="the tested event, where a kind has several")] = None,
) -> None:
    """Record a test right after the alarm was triggered; `anju witness list` shows whether it arrived.

    Example: anju witness add yangguang b01-u1-0301-gas --by "街道 王某" --how "用检漏气体对准探头"
    """
    now = datetime.now(UTC)
    entry = Entry(
        community=community, device=device, event=event, triggered_at=at.replace(tzinfo=CITY) if at else now, by=by,
        how=how,
    )  # fmt: skip
    with transaction(_COMMAND) as connection:
        try:
            test_id = record_test(connection, entry, now)
        except RecordRefusedError as error:
            raise fail(str(error), Exit.REFUSED) from None
        [test] = list_witnessed_tests(connection, WitnessedTestFilter(id=test_id), EXPECTED_EVENTS)
        audit_command(connection, "create", (_SUBJECT, str(test_id)), _facts(test, now))
    say(f"{test_id} {_result(test, now)}")


def list_tests(
    community: Annotated[str | None, typer.Argument(help="id of a community; all of them if left out")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="how many days to look back")] = 30,
    *,
    as_json: Json = False,
) -> None:
    """List the tests of the last days, latest first, each with its result.

    Example: anju witness list yangguang --days 7
    """
    now = datetime.now(UTC)
    conditions = WitnessedTestFilter(community=community, start=now - timedelta(days=days))
    with transaction(_COMMAND) as connection:
        tests = list_witnessed_tests(connection, conditions, EXPECTED_EVENTS)
    if as_json:
        say_json([_facts(test, now) for test in tests])
        return
    say_table(
        ("编号", "小区", "设备", "位置", "报警", "触发时间", "测试人", "方法", "结果"),
        [
            (
                str(test.id), test.community, test.device,
                compose_place(test.building, test.unit, test.room, test.location),
                event_zh(test.kind, test.event), f"{test.triggered_at.astimezone(CITY):%Y-%m-%d %H:%M:%S}",
                test.tested_by, test.how, _result(test, now),
            )
            for test in tests
        ],
        whole=("编号",),
    )  # fmt: skip


def withdraw(
    test: Annotated[UUID, typer.Argument(help="id of the test, from `anju witness list`")],
    by: Annotated[str, typer.Option(help="the person who withdraws it")],
    reason: Annotated[str, typer.Option(help="why; reports print it")],
) -> None:
    """Withdraw a test recorded by mistake: it counts for nothing, and reports list it with the reason.

    Example: anju witness withdraw 0b6a9c1e-8f0e-4f5b-9a39-3c1f6f0f8f11 --by "街道 王某" --reason "记错了设备"
    """
    with transaction(_COMMAND) as connection:
        if not withdraw_witnessed_test(connection, test, at=datetime.now(UTC), by=by, because=reason):
            raise fail("没有这个编号的测试，或者它已经撤回", Exit.REFUSED)
        audit_command(connection, "withdraw", (_SUBJECT, str(test)), {"by": by, "reason": reason})
    say("已撤回")


def _result(test: WitnessedTestRow, now: datetime) -> str:
    result = TEST_RESULT[result_of(test, now)]
    return f"{result}：{test.withdrawn_because}" if test.withdrawn_because else result


def _facts(test: WitnessedTestRow, now: datetime) -> dict[str, object]:
    return {
        "id": str(test.id), "community": test.community, "device": test.device, "event": test.event,
        "triggered_at": test.triggered_at.isoformat(), "by": test.tested_by, "how": test.how,
        "result": result_of(test, now).value,
        "arrived_at": test.arrived_at.isoformat() if test.arrived_at else None,
        "withdrawn_because": test.withdrawn_because,
    }  # fmt: skip
