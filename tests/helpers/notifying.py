"""Shared by the tests of notices: alerts in a database, a routing file, `anju worker`, and the clock of a test."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import yaml

from database_roles import as_role
from running import ANJU
from store.admin.roles import Role
from store.alerts.alerts import NewAlert, progress_alert, raise_alert
from store.alerts.transitions import alert_lock
from store.database import connect
from store.notices.enqueue import defer_notice_job

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
"""Noon in the city."""


def alert_id(number: int) -> UUID:
    """Return the id of the alert with this number."""
    return UUID(int=number << 96 | number)


def raise_alerts(
    url: str,
    numbers: Iterable[int],
    *,
    rule: str = "gas_leak",
    severity: str = "critical",
    at: datetime = NOON,
    community: str = "yangguang",
    defer: bool = True,
) -> None:
    """Raise an alert for each number and, if `defer`, one job of the queue for all, in one transaction."""
    numbers = list(numbers)
    with connect(url, application_name="test") as connection:
        connection.execute(
            "INSERT INTO community (id, name, banner, street) VALUES (%s, '阳光小区', '', '') ON CONFLICT DO NOTHING",
            (community,),
        )
        with alert_lock(connection) as locked:
            for number in numbers:
                alert = NewAlert(
                    id=alert_id(number), rule=rule, rule_version="1", device_id=None, sequence=number,
                    community=community, kind="gas_meter", severity=severity, title="检测到燃气泄漏",
                    message=f"阳光小区 3号楼2单元{number}室 燃气表：燃气浓度超标！",
                    advice="请立即关阀、开窗，并拨打燃气公司电话。",
                    opened_at=at, raised_at=at, simulated=False, partition=number,
                )  # fmt: skip
                raise_alert(locked, alert)
        if defer:
            defer_notice_job(connection, [alert_id(number) for number in numbers])


def end_alerts(url: str, numbers: Iterable[int], *, at: datetime, defer: bool = True) -> None:
    """End the alerts with these numbers and, if `defer`, make one job of the queue for all, in one transaction."""
    numbers = list(numbers)
    with connect(url, application_name="test") as connection:
        with alert_lock(connection) as locked:
            for number in numbers:
                progress_alert(locked, alert_id(number), "ended", at)
        if defer:
            defer_notice_job(connection, [alert_id(number) for number in numbers])


def write_routing(path: Path, **content: object) -> Path:
    """Write a routing file, and return its path."""
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


@contextmanager
def running_worker(url: str, routing: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start `anju worker`, and end it after the block."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANJU_")}
    environment = {**inherited, "ANJU_DATABASE_URL": as_role(url, Role.WORKER), "ANJU_NOTIFY_FILE": str(routing)}
    with log.open("ab") as output:
        process = subprocess.Popen([ANJU, "worker"], env=environment, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


class Clock:
    """A clock that a test moves on."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        """Move on by a `timedelta` of these arguments."""
        self.now += timedelta(**time)
