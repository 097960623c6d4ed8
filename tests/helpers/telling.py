"""What the tests of notices share: alerts in a database, a routing file, `anju worker`, and the time of a test."""

import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import yaml

from running import ANJU
from store.alerts.alerts import NewAlert, find_alerts, progress_alert, raise_alert
from store.database import connect
from store.notices.enqueue import defer_notice_job

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
"""Noon in the city."""


def alert_id(number):
    return UUID(int=number << 96 | number)


def raise_alerts(url, numbers, *, rule="gas_leak", severity="critical", at=NOON, community="yangguang", hand_in=True):
    """Raise an alert for each number, and hand them to the queue in one job, all in one transaction."""
    with connect(url, application_name="test") as connection:
        connection.execute(
            "INSERT INTO community (id, name, banner, street) VALUES (%s, '阳光小区', '', '') ON CONFLICT DO NOTHING",
            (community,),
        )
        for number in numbers:
            raise_alert(
                connection,
                NewAlert(
                    id=alert_id(number), rule=rule, rule_version="1", device_id=None, sequence=number,
                    community=community, kind="gas_meter", severity=severity, title="检测到燃气泄漏",
                    message=f"3号楼 2单元 {number} b03-u2-{number}-gas：燃气浓度超标！",
                    advice="请立即关阀、开窗，并拨打燃气公司电话。",
                    opened_at=at, raised_at=at, simulated=False, partition=number,
                ),
            )  # fmt: skip
        if hand_in:
            defer_notice_job(connection, [alert_id(number) for number in numbers])


def end_alerts(url, numbers, *, at, hand_in=True):
    with connect(url, application_name="test") as connection:
        for number in numbers:
            progress_alert(connection, alert_id(number), "ended", at)
        if hand_in:
            defer_notice_job(connection, [alert_id(number) for number in numbers])


def told_alert(url, number):
    with connect(url, application_name="test") as connection:
        return find_alerts(connection, [alert_id(number)])[0]


def write_routing(path, **content):
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def start_worker(url, path, log):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANJU_")}
    environment = {**kept, "ANJU_DATABASE_URL": url, "ANJU_NOTIFY_FILE": str(path)}
    with log.open("ab") as out:
        return subprocess.Popen([ANJU, "worker"], env=environment, stdout=out, stderr=out, cwd=log.parent)


@contextmanager
def running_worker(url, path, log):
    process = start_worker(url, path, log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


class Clock:
    """The time, as far as a test lets it pass."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now

    def pass_(self, **time):
        self.now += timedelta(**time)
