"""Withdrawal of households and devices from the registry: they are counted no more, and their history stays."""

from collections.abc import Sequence
from datetime import datetime

from devices.place import compose_place
from store.database import Connection, StoreError
from store.registry.registry import HouseholdKey
from store.registry.version import count_registry_change, lock_registry


class WithdrawalRefusedError(StoreError):
    """There is nothing to withdraw, or what is to be withdrawn is still needed; the message says by what."""


def withdraw_device(connection: Connection, community: str, name: str, at: datetime) -> str:
    """Withdraw a device, in a transaction, and return its username `{community}/{kind}/{device}`.

    Raises:
        WithdrawalRefusedError: no such device is registered, or other devices report through it.
    """
    lock_registry(connection)
    children = connection.execute(
        "SELECT name FROM device WHERE community = %s AND gateway = %s AND withdrawn_at IS NULL ORDER BY name",
        (community, name),
    ).fetchall()
    if children:
        raise WithdrawalRefusedError(
            f"还有设备通过网关 {name} 上传：{_listed(children)}。请先改登它们的网关，或先注销它们"
        )
    row = connection.execute(
        """
        UPDATE device SET withdrawn_at = %s
        WHERE community = %s AND name = %s AND withdrawn_at IS NULL
        RETURNING kind
        """,
        (at, community, name),
    ).fetchone()
    if row is None:
        raise WithdrawalRefusedError(f"小区 {community} 没有登记设备 {name}，或它已经注销")
    count_registry_change(connection)
    return f"{community}/{row[0]}/{name}"


def withdraw_household(connection: Connection, key: HouseholdKey, at: datetime) -> None:
    """Withdraw a household, in a transaction; its contacts are deleted.

    Raises:
        WithdrawalRefusedError: no such household is registered, or devices are registered in it.
    """
    lock_registry(connection)
    community, building, unit, room = key
    place = compose_place(building, unit, room)
    devices = connection.execute(
        """
        SELECT name FROM device
        WHERE (community, building, unit, room) = (%s, %s, %s, %s) AND withdrawn_at IS NULL
        ORDER BY name
        """,
        key,
    ).fetchall()
    if devices:
        raise WithdrawalRefusedError(f"{place} 还有设备：{_listed(devices)}。请先改登它们的位置，或先注销它们")
    withdrawn = connection.execute(
        """
        UPDATE household SET withdrawn_at = %s
        WHERE (community, building, unit, room) = (%s, %s, %s, %s) AND withdrawn_at IS NULL
        """,
        (at, *key),
    )
    if withdrawn.rowcount == 0:
        text = f"楼“{building}”、单元“{unit}”、房号“{room}”"
        raise WithdrawalRefusedError(f"小区 {community} 没有登记住户 {text}，或它已经注销：写法须与登记的完全一致")
    connection.execute("DELETE FROM contact WHERE (community, building, unit, room) = (%s, %s, %s, %s)", key)
    count_registry_change(connection)


def _listed(names: Sequence[tuple[str]]) -> str:
    """Return the first five names, and the number of all."""
    shown = "、".join(name for (name,) in names[:5])
    return shown if len(names) <= 5 else f"{shown} 等 {len(names)} 台"
