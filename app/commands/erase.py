"""`anju erase`."""

import re
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.audit import audit_command
from app.output import Exit, fail, say, say_json
from app.people_text import require_visible
from app.settings import Settings
from devices.kind import Identity
from devices.privacy import Pseudonymiser, canonical, mask
from store.admin.erasure import (
    HouseholdDevices,
    Person,
    count_by_community,
    erase_household,
    erase_person,
    find_household,
    record_household,
    record_person,
)
from store.database import Connection, connect, translated_errors

_TABLES_ZH = {
    "event": "事件",
    "rejection": "被拒收的数据",
    "meter_replacement": "换表记录",
    "contact": "联系人",
    "attachment": "报警的照片",
    "alert": "报警的文字",
    "alert_transition": "报警的依据",
    "shadow_transition": "试运行规则的依据",
    "rule_state": "规则的当前状态",
}
_KEPT_OF_PERSON = "事件本身保留（只剩时间和方向），统计和验收的数字不变。"
_KEPT_OF_HOUSEHOLD = (
    "住户和设备的登记、报警的标题和时间、拒收的次数、现场测试、已出具的验收报告保留；报告里没有这一户的用量。"
)


def erase(
    plate: Annotated[str | None, typer.Option(help="a number plate; - reads it from standard input")] = None,
    user: Annotated[str | None, typer.Option(help="a door user, as the device sends it; - reads it from there")] = None,
    household: Annotated[str | None, typer.Option(help="community/building/unit/room, as registered")] = None,
    community: Annotated[str | None, typer.Option(help="with --plate or --user: only in this community")] = None,
    reason: Annotated[
        str, typer.Option(help="for the audit log, such as the number of the request", callback=require_visible)
    ] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="erase; without it only the numbers are shown")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Erase what is stored of a number plate, a door user or a household; without --yes only count it.

    Plates and door users are found by their keyed hashes under ANJU_SECRET_KEY and ANJU_SECRET_KEY_OLD. Messages that
    were sent before and arrive within 30 days are stored without them. The numbers go into the audit log.

    Example: anju erase --plate 蒙K·A1234 --reason 申请单2026-031 --yes
    """
    given = [value for value in (plate, user, household) if value is not None]
    if len(given) != 1:
        raise fail("give one of --plate, --user and --household", Exit.USAGE)
    if household is not None and community is not None:
        raise fail("--household names its community itself", Exit.USAGE)
    settings, now = Settings.load(), datetime.now(UTC)
    identity = Identity.PLATE if plate is not None else Identity.PERSON
    person = _person(settings, identity, given[0], community, reason) if household is None else None
    with (
        translated_errors(),
        closing(connect(settings.need("database_url"), application_name="anju erase")) as connection,
    ):
        connection.autocommit = True
        if person:
            where = count_by_community(connection, person, now)
            numbers, kept = _erase_person(connection, person, reason, now, yes=yes), _KEPT_OF_PERSON
        else:
            where = {}
            numbers, kept = _erase_household(connection, given[0], reason, now, yes=yes), _KEPT_OF_HOUSEHOLD
    if as_json:
        say_json({"erased" if yes else "found": numbers, "events_by_community": where, "dry_run": not yes})
    else:
        _say(numbers, where, kept, yes=yes)


def _person(settings: Settings, identity: Identity, given: str, community: str | None, reason: str) -> Person:
    """Return the person that a text names; it goes no further than its hashes and its mask."""
    value = (sys.stdin.readline() if given == "-" else given).strip()
    if not value:
        raise fail("the plate or the door user is empty", Exit.USAGE)
    if _names(reason, identity, value):
        raise fail("--reason goes into the audit log and must not name the person", Exit.USAGE)
    pseudonymiser = Pseudonymiser(settings.need("secret_key").encode(), *settings.earlier_secret_keys)
    return Person(identity, pseudonymiser.hashes(identity, value), mask(identity, value), community)


def _names(text: str, identity: Identity, value: str) -> bool:
    """Return whether a text names a person, in any spelling of a plate; a number within another one is none."""
    text, value = canonical(identity, text), re.escape(canonical(identity, value))
    within = value if identity is Identity.PLATE else rf"(?<![A-Za-z0-9]){value}(?![A-Za-z0-9])"
    return re.search(within, text) is not None


def _erase_person(connection: Connection, person: Person, reason: str, now: datetime, *, yes: bool) -> dict[str, int]:
    if not yes:
        return erase_person(connection, person, now, dry_run=True)
    with connection.transaction():
        numbers = record_person(connection, person, now)
    with connection.transaction():
        numbers |= erase_person(connection, person, now, dry_run=False)
        details = {"reason": reason, "community": person.community, "erased": numbers}
        audit_command(connection, "erase", (person.identity, ""), details)
    return numbers


def _erase_household(connection: Connection, path: str, reason: str, now: datetime, *, yes: bool) -> dict[str, int]:
    found: HouseholdDevices | None = find_household(connection, path)
    if found is None:
        raise fail(f"没有登记住户 {path}：写法是 小区/楼/单元/房号，须与登记的完全一致", Exit.REFUSED)
    if not yes:
        return erase_household(connection, found, now, dry_run=True)
    with connection.transaction():
        record_household(connection, found, now)
    with connection.transaction():
        numbers = erase_household(connection, found, now, dry_run=False)
        audit_command(connection, "erase", ("household", path), {"reason": reason, "erased": numbers})
    return numbers


def _say(numbers: Mapping[str, int], where: Mapping[str, int], kept: str, *, yes: bool) -> None:
    readings = sum(number for table, number in numbers.items() if table.startswith("telemetry_"))
    lines = [f"  读数 {readings:,}"] if readings else []
    lines += [f"  {zh} {numbers[table]:,}" for table, zh in _TABLES_ZH.items() if numbers.get(table)]
    if not lines:
        say("没有找到相关数据。" + ("" if yes else "加 --yes 执行后，此前已发出、尚未收到的数据也不会再保存。"))
        return
    say("已删除：" if yes else "将删除（现在什么都没有改动，加 --yes 执行）：")
    say("\n".join(lines))
    if len(where) > 1:
        say("事件分布：" + "、".join(f"{community} {number:,}" for community, number in where.items()))
    say(kept)
