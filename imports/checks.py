"""What must hold between the lines of an import, and between them and the registry. The checks are pure."""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from devices.gateway import GATEWAY
from imports.columns import quoted, suggestion
from imports.rows import Problem, Table
from store.database import Connection
from store.registry.registry import CellValue

_PLACE = ("building", "unit", "room")

Fault = tuple[str, str]
"""A column, and what is wrong with its cell."""


class KnownDevice(NamedTuple):
    """What the checks need of a device that is registered already."""

    kind: str
    building: str
    unit: str
    room: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry holds: all communities, and of the communities that an import names the rest."""

    communities: AbstractSet[str] = frozenset()
    households: AbstractSet[tuple[str, str, str, str]] = frozenset()
    devices: Mapping[tuple[str, str], KnownDevice] = field(default_factory=dict)


def load_known(connection: Connection, devices: Table) -> Known:
    """What the registry holds that the lines of these devices may refer to."""
    named = (sorted({str(community) for community, _ in devices.line_keys()}),)
    return Known(
        communities={community for (community,) in connection.execute("SELECT id FROM community")},
        households=set(
            connection.execute(
                "SELECT community, building, unit, room FROM household WHERE community = ANY (%s)", named
            )
        ),
        devices={
            (community, name): KnownDevice(*rest)
            for community, name, *rest in connection.execute(
                "SELECT community, name, kind, building, unit, room FROM device WHERE community = ANY (%s)", named
            )
        },
    )


def check(
    communities: Table, households: Table, devices: Table, known: Known, known_plan_items: Collection[str]
) -> Iterator[Problem]:
    """Every problem between the lines, and between them and the registry. What is no value (None) is passed over."""
    registered = known.communities | {community for (community,) in communities.line_keys()}
    after = _After(
        known=known,
        households=known.households | set(households.line_keys()),
        kinds={key: device.kind for key, device in known.devices.items()}
        | {(row.get("community"), row.get("device")): row.get("kind") for _, row in devices.records()},
        plan_items=tuple(sorted(known_plan_items)),
    )
    for table in (communities, households, devices):
        yield from _duplicates(table)
    for table in (households, devices):
        for line, row in table.records():
            community = row.get("community")
            if community is not None and community not in registered:
                message = f"小区 {community} 未登记：请先导入该小区，或在同一次导入的小区文件中加入"
                yield Problem(table.file, line, "community", message)
    for line, row in devices.records():
        for column, message in after.faults(row):
            yield Problem(devices.file, line, column, message)


def _duplicates(table: Table) -> Iterator[Problem]:
    first: dict[tuple[CellValue, ...], int] = {}
    for line, key in zip(table.lines, table.line_keys(), strict=True):
        if None not in key and first.setdefault(key, line) != line:
            written = " / ".join(map(str, key))
            yield Problem(table.file, line, table.form.key[-1], f"{written} 与第 {first[key]} 行重复")


@dataclass(frozen=True, slots=True)
class _After:
    """The registry as it would be after the import, to hold each line of the devices against."""

    known: Known
    households: AbstractSet[tuple[CellValue, ...]]
    kinds: Mapping[tuple[CellValue, CellValue], CellValue]
    plan_items: tuple[str, ...]

    def faults(self, row: Mapping[str, CellValue]) -> Iterator[Fault]:
        known = self.known.devices.get((str(row.get("community")), str(row.get("device"))))
        return chain(
            _kind_faults(row, known),
            self._gateway_faults(row),
            self._plan_item_faults(row),
            self._place_faults(row, known),
        )

    def _gateway_faults(self, row: Mapping[str, CellValue]) -> Iterator[Fault]:
        gateway = row.get("gateway")
        key = (row.get("community"), gateway)
        if gateway is None or key[0] is None:
            return
        if key not in self.kinds:
            yield (
                "gateway",
                f"小区 {key[0]} 没有网关 {gateway}：请先登记，或在同一文件中加入 kind 为 {GATEWAY.name} 的一行",
            )
        elif self.kinds[key] not in {GATEWAY.name, None}:
            yield "gateway", f"{gateway} 的类型是 {self.kinds[key]}，不是 {GATEWAY.name}（{GATEWAY.zh}）"
        elif gateway == row.get("device"):
            yield "gateway", "网关不能以自己为上级网关：此处应留空"

    def _plan_item_faults(self, row: Mapping[str, CellValue]) -> Iterator[Fault]:
        item = row.get("plan_item")
        if item is not None and item not in self.plan_items:
            closest = suggestion(str(item), self.plan_items)
            yield "plan_item", f"没有改造内容 {quoted(str(item))}：应为改造内容编号，如 basic.metering.water{closest}"

    def _place_faults(self, row: Mapping[str, CellValue], known: KnownDevice | None) -> Iterator[Fault]:
        """A column that is absent leaves the stored place, so that the two together are what counts."""
        building, unit, room = (row.get(part, getattr(known, part, "")) for part in _PLACE)
        community = row.get("community")
        if not room or None in {community, building, unit}:
            return
        missing = [name for name, part in (("building", building), ("unit", unit)) if not part]
        if missing:
            yield "room", f"填写了房号 {room}，还须填写 {' 和 '.join(missing)}"
        elif (community, building, unit, room) not in self.households:
            written = f"building={building}、unit={unit}、room={room}"
            yield "room", f"小区 {community} 没有登记住户 {written}：写法须与住户表完全一致，或先登记该住户"


def _kind_faults(row: Mapping[str, CellValue], known: KnownDevice | None) -> Iterator[Fault]:
    kind = row.get("kind")
    if known and kind is not None and kind != known.kind:
        yield "kind", f"该设备已登记为 {known.kind}，类型不能更改：换成另一类设备时请使用新的设备编号"
