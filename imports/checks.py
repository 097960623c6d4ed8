"""Checks between the lines of an import, and between them and the registry. Pure."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain

from acceptance.plan_items import PLAN_ITEM_IDS
from devices.gateway import GATEWAY
from imports.cells import quoted, suggestion
from imports.damage import AS_TEXT
from imports.spelling import PARTS, Place, Spellings, difference
from imports.tables import Problem, Table
from store.registry.registry import HouseholdKey, KindAndPlace
from store.registry.upsert import CellValue

_PLAN_ITEMS = tuple(sorted(PLAN_ITEM_IDS))

Fault = tuple[str, str]
"""A column, and the problem of its cell."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The content of the registry: all communities; households and devices of the communities that an import names.

    Withdrawn households are not among them, withdrawn devices are.
    """

    communities: AbstractSet[str] = frozenset()
    households: AbstractSet[HouseholdKey] = frozenset()
    devices: Mapping[tuple[str, str], KindAndPlace] = field(default_factory=dict)


def check(communities: Table, households: Table, devices: Table, registered: Registered) -> Iterator[Problem]:
    """Yield every problem between the lines, and between them and the registry. Missing values (None) are skipped."""
    known_communities = registered.communities | {community for (community,) in communities.line_keys()}
    spellings = Spellings(registered.households)
    after_import = _RegistryAfterImport(
        registered=registered,
        households=registered.households | set(households.line_keys()),
        spellings=spellings,
        kinds={key: device.kind for key, device in registered.devices.items() if not device.withdrawn}
        | {(row.get("community"), row.get("device")): row.get("kind") for _, row in devices.records()},
    )
    for table in (communities, households, devices):
        yield from _duplicates(table)
    for line, key in zip(households.lines, households.line_keys(), strict=True):
        yield from _spelling_problems(households.file, line, key, spellings)
    for table in (households, devices):
        for line, row in table.records():
            community = row.get("community")
            if community is not None and community not in known_communities:
                message = f"小区 {community} 未登记：请先导入该小区，或在同一次导入的小区文件中加入"
                yield Problem(table.file, line, "community", message)
    serials: dict[tuple[CellValue, str], str] = {}
    for line, row in devices.records():
        for column, message in chain(after_import.faults(row), _serial_faults(row, serials)):
            yield Problem(devices.file, line, column, message)
        if not row.get("room"):
            place = (row.get("community"), row.get("building"), row.get("unit") or "")
            yield from _spelling_problems(devices.file, line, place, spellings)


def _spelling_problems(file: str, line: int, place: tuple[CellValue, ...], spellings: Spellings) -> Iterator[Problem]:
    if None not in place:
        for column, message in spellings.faults(tuple(map(str, place))):
            yield Problem(file, line, column, message)


def _serial_faults(row: Mapping[str, CellValue], first: dict[tuple[CellValue, str], str]) -> Iterator[Fault]:
    """Yield the fault of a serial number that differs by zeros before it from one of the `first` of its kind."""
    serial = row.get("serial")
    if isinstance(serial, str):
        known = first.setdefault((row.get("kind"), serial.lstrip("0")), serial)
        if known != serial:
            yield "serial", difference(serial, known)


def _duplicates(table: Table) -> Iterator[Problem]:
    first_lines: dict[tuple[CellValue, ...], int] = {}
    for line, key in zip(table.lines, table.line_keys(), strict=True):
        if None not in key and first_lines.setdefault(key, line) != line:
            text = " / ".join(map(str, key))
            yield Problem(table.file, line, table.form.key[-1], f"{text} 与第 {first_lines[key]} 行重复")


@dataclass(frozen=True, slots=True)
class _RegistryAfterImport:
    """The registry as the import would leave it, against which each device is checked."""

    registered: Registered
    households: AbstractSet[tuple[CellValue, ...]]
    spellings: Spellings
    kinds: Mapping[tuple[CellValue, CellValue], CellValue]

    def faults(self, row: Mapping[str, CellValue]) -> Iterator[Fault]:
        stored = self.registered.devices.get((str(row.get("community")), str(row.get("device"))))
        return chain(
            _kind_faults(row, stored),
            self._gateway_faults(row),
            _plan_item_faults(row),
            self._place_faults(row, stored),
        )

    def _gateway_faults(self, row: Mapping[str, CellValue]) -> Iterator[Fault]:
        gateway = row.get("gateway")
        key = (row.get("community"), gateway)
        if gateway is None or key[0] is None:
            return
        if key not in self.kinds:
            yield (
                "gateway",
                f"小区 {key[0]} 没有网关 {gateway}：请先登记，或在同一文件中加入类型为 {GATEWAY.name} 的一行",
            )
        elif self.kinds[key] not in {GATEWAY.name, None}:
            yield "gateway", f"{gateway} 的类型是 {self.kinds[key]}，不是 {GATEWAY.name}（{GATEWAY.zh}）"
        elif gateway == row.get("device"):
            yield "gateway", "网关不能以自己为上级网关：此处应留空"

    def _place_faults(self, row: Mapping[str, CellValue], stored: KindAndPlace | None) -> Iterator[Fault]:
        """Check the place of a device. An absent column keeps the stored part, so both together are the place."""
        building, unit, room = (row.get(part, getattr(stored, part, "")) for part in PARTS)
        community = row.get("community")
        if not room or None in {community, building, unit}:
            return
        missing = [name for name, part in (("楼（building）", building), ("单元（unit）", unit)) if not part]
        if missing:
            yield "room", f"填写了房号 {room}，还须填写{'和'.join(missing)}"
        elif (place := (community, building, unit, room)) not in self.households:
            yield "room", self._unknown_household(tuple(map(str, place)))

    def _unknown_household(self, place: Place) -> str:
        known = self.spellings.known(place)
        if known is None:
            return f"小区 {place[0]} 没有登记住户{_in_words(place)}：请先登记该住户，或改正位置"
        only_zeros = [part.lstrip("0") for part in place] == [part.lstrip("0") for part in known]
        if only_zeros:
            return f"登记的住户是{_in_words(known)}，只差开头的 0（表格软件会把它去掉）：{AS_TEXT}"
        return f"登记的住户写作{_in_words(known)}，不是{_in_words(place)}：请照登记的写"


def _in_words(place: Place) -> str:
    return "、".join(f"{name}“{part}”" for name, part in zip(("楼", "单元", "房号"), place[1:], strict=True))


def _kind_faults(row: Mapping[str, CellValue], stored: KindAndPlace | None) -> Iterator[Fault]:
    kind = row.get("kind")
    if stored and kind is not None and kind != stored.kind:
        yield "kind", f"该设备已登记为 {stored.kind}，类型不能更改：换成另一类设备时请使用新的设备编号"


def _plan_item_faults(row: Mapping[str, CellValue]) -> Iterator[Fault]:
    item = row.get("plan_item")
    if item is not None and item not in PLAN_ITEM_IDS:
        closest = suggestion(str(item), _PLAN_ITEMS)
        yield "plan_item", f"没有改造内容 {quoted(str(item))}：应为改造内容编号，如 basic.metering.water{closest}"
