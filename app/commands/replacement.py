"""`anju replacement`: the replacements of meters (换表)."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.audit import audit_command, user_of_this_machine
from app.database import transaction
from app.output import Exit, Json, fail, say, say_json
from app.people_text import require_visible
from app.tables import say_table
from devices.local_time import CITY, parse_local_time
from store.database import Connection
from store.registry.devices import DeviceRow, find_device
from store.registry.replacements import (
    NewReplacement,
    ReplacementRefusedError,
    ReplacementRow,
    find_replacement,
    list_replacements,
    record_replacement,
    withdraw_replacement,
)

_COMMAND = "anju replacement"

Meter = Annotated[str, typer.Argument(help="COMMUNITY/DEVICE")]
By = Annotated[
    str | None, typer.Option(help="who says so; the user of this machine, unless given", callback=require_visible)
]


def record(
    meter: Meter,
    *,
    old_register: Annotated[float, typer.Option(help="last reading of the old meter (旧表止数)")],
    new_register: Annotated[float, typer.Option(help="first reading of the new meter (新表起数)")] = 0.0,
    at: Annotated[str | None, typer.Option(help="local time such as 2026-11-25T14:30; now, unless given")] = None,
    field: Annotated[str | None, typer.Option(help="counter of the kind; its first one, unless given")] = None,
    old_serial: Annotated[
        str | None, typer.Option(help="the registered one, unless given", callback=require_visible)
    ] = None,
    new_serial: Annotated[str | None, typer.Option(help="the registry takes it over", callback=require_visible)] = None,
    note: Annotated[str | None, typer.Option(help="a remark", callback=require_visible)] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Record the replacement of a meter (换表), so that its consumption goes on across it.

    Example: anju replacement record linyin-xiaoqu/b01-u1-0101-water --old-register 812.4 --new-serial 26-004711
    """
    now = datetime.now(UTC)
    new = NewReplacement(
        field=field, at=_instant(at) if at else now, old_register=old_register, new_register=new_register,
        old_serial=old_serial, new_serial=new_serial, note=note, actor=by or user_of_this_machine() or "cli",
    )  # fmt: skip
    with transaction(_COMMAND) as connection:
        device = _find(connection, meter)
        try:
            row = record_replacement(connection, device, new, now)
        except ReplacementRefusedError as error:
            raise fail(f"--{error.part.replace('_', '-')}: {error}", Exit.REFUSED) from None
        audit_command(connection, "create", ("replacement", str(row.id)), {"device": meter, **_json(row)})
    if as_json:
        say_json(_json(row))
    else:
        say(f"已登记换表，编号 {row.id}：{meter} {_registers(row)}")


def show(meter: Meter, *, as_json: Json = False) -> None:
    """List the replacements of a meter, newest first, including withdrawn ones.

    Example: anju replacement list linyin-xiaoqu/b01-u1-0101-water
    """
    with transaction(_COMMAND) as connection:
        rows = list_replacements(connection, _find(connection, meter).id)
    if as_json:
        say_json([_json(row) for row in rows])
        return
    say_table(
        ("编号", "换表时间", "读数", "旧表止数", "新表起数", "登记人", "状态"),
        [
            (
                str(row.id), f"{row.at.astimezone(CITY):%Y-%m-%d %H:%M}", row.field, f"{row.old_register:g}",
                f"{row.new_register:g}", row.actor, "已撤回" if row.withdrawn_at else "有效",
            )
            for row in rows
        ],
        numbers=("编号", "旧表止数", "新表起数"),
    )  # fmt: skip


def withdraw(
    replacement: Annotated[int, typer.Argument(help="the id that `record` and `list` show")], *, by: By = None
) -> None:
    """Withdraw a replacement that was recorded by mistake; it stays listed.

    Example: anju replacement withdraw 12
    """
    with transaction(_COMMAND) as connection:
        row = find_replacement(connection, replacement)
        if row is None or row.withdrawn_at:
            raise fail(f"no replacement {replacement} is in force: anju replacement list shows them", Exit.REFUSED)
        now = datetime.now(UTC)
        withdraw_replacement(connection, row, by or user_of_this_machine() or "cli", now)
        audit_command(connection, "withdraw", ("replacement", str(replacement)), {"withdrawn_at": now.isoformat()})
    say(f"已撤回换表 {replacement}：{_registers(row)}")


def _registers(row: ReplacementRow) -> str:
    return f"{row.field} 旧表止数 {row.old_register:g}，新表起数 {row.new_register:g}"


def _find(connection: Connection, meter: str) -> DeviceRow:
    community, _, name = meter.partition("/")
    device = find_device(connection, community, name)
    if device is None:
        raise fail(f"no device {meter!r} is registered: give it as COMMUNITY/DEVICE", Exit.REFUSED)
    return device


def _instant(text: str) -> datetime:
    try:
        return parse_local_time(text)
    except ValueError:
        raise fail(f"--at {text}: write a time such as 2026-11-25T14:30", Exit.USAGE) from None


def _json(row: ReplacementRow) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(row).items()
        if value is not None and name != "device_id"
    }
