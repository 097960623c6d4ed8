"""`anju withdraw`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.audit import audit_command
from app.database import transaction
from app.output import Exit, fail, say
from app.people_text import require_visible
from store.database import Connection
from store.registry.withdraw import WithdrawalRefusedError, withdraw_device, withdraw_household

_Community = Annotated[str, typer.Argument(help="id of the community")]
_Reason = Annotated[str, typer.Option(help="why, for the audit log", callback=require_visible)]


def device(
    community: _Community,
    name: Annotated[str, typer.Argument(metavar="DEVICE", help="id of the device")],
    reason: _Reason,
) -> None:
    """Withdraw a device: it is counted and evaluated no more, its messages are rejected, and its history stays.

    Import the device again to register it again.

    Example: anju withdraw device yangguang b03-u2-0501-water --reason 登记错误
    """
    username = _withdraw(reason, "device", lambda connection, at: withdraw_device(connection, community, name, at))
    say(f"已注销设备 {username}：不再计数、不再判断，它发来的数据会被拒收，历史保留。重新导入即可恢复登记")


def household(
    community: _Community,
    building: Annotated[str, typer.Argument(help="building as it is registered")],
    unit: Annotated[str, typer.Argument(help="unit as it is registered")],
    room: Annotated[str, typer.Argument(help="room as it is registered")],
    reason: _Reason,
) -> None:
    """Withdraw a household without devices: it is counted no more. Import it again to register it again.

    Example: anju withdraw household yangguang 3 2 1-Mar --reason 房号被表格软件改成了日期
    """
    key = (community, building, unit, room)

    def change(connection: Connection, at: datetime) -> str:
        withdraw_household(connection, key, at)
        return "/".join(key)

    say(f"已注销住户 {_withdraw(reason, 'household', change)}：不再计数。重新导入即可恢复登记")


def _withdraw(reason: str, subject: str, change: Callable[[Connection, datetime], str]) -> str:
    """Make a change with its row in the audit log; return the id of the changed thing."""
    if not reason.strip():
        raise fail("--reason must say why", Exit.USAGE)
    now = datetime.now(UTC)
    try:
        with transaction("anju withdraw") as connection:
            subject_id = change(connection, now)
            audit_command(connection, "withdraw", (subject, subject_id), {"reason": reason, "withdrawn_at": str(now)})
    except WithdrawalRefusedError as error:
        raise fail(str(error), Exit.REFUSED) from None
    return subject_id
