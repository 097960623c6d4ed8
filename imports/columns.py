"""The columns that an import file may have, and how a cell becomes a value. Messages are for whoever fills the file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from unicodedata import category

from devices.catalogue import KIND_BY_NAME
from devices.device import Service
from devices.topic import IDENTIFIER
from store.registry.registry import CellValue

STAGES = ("储备", "新开工", "在建", "竣工")

_MAX_TEXT = 100
_YEARS = range(1900, 2101)
SERVICES = {
    "在用": Service.IN_SERVICE,
    "调试": Service.COMMISSIONING,
    "停用": Service.OUT_OF_SERVICE,
    "报废": Service.RETIRED,
}
_FLAGS = {"是": True, "true": True, "1": True, "否": False, "false": False, "0": False}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,12})?", re.ASCII)
# Controls, format characters, surrogates, line and paragraph separators: nobody sees them, they make two equal names
# differ, and a terminal may obey them. Mongolian is written with one of them.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_MONGOLIAN_VOWEL_SEPARATOR = "\u180e"


class CellError(ValueError):
    """A cell that can't be used; the message says in Chinese what is expected."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the header, its name in the table, and what its cells mean.

    A required column must be there, and none of its cells may be empty. `empty` is what an empty cell of any other
    column stands for.
    """

    name: str
    parse: Callable[[str], CellValue]
    required: bool = False
    empty: CellValue = None
    stored: str = ""

    def value(self, cell: str) -> CellValue:
        """The value of a cell that has been stripped of blanks at both ends.

        Raises:
            CellError: the cell can't be used.
        """
        if cell:
            return self.parse(cell)
        if self.required:
            raise CellError("不能为空")
        return self.empty


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of import file looks like; `key` names the columns that tell its lines apart."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


def visible(text: str) -> str:
    """The text with a □ for each character that nobody would see."""
    if text.isprintable():
        return text
    return "".join("□" if category(c) in _HIDDEN and c != _MONGOLIAN_VOWEL_SEPARATOR else c for c in text)


def quoted(text: str) -> str:
    """A piece of the file as a message shows it, cut to a length that people can read."""
    return f"“{visible(text if len(text) <= 40 else text[:39] + '…')}”"


@lru_cache(maxsize=1_000)
def suggestion(text: str, options: tuple[str, ...]) -> str:
    """The end of a message that offers the option most like the text, or nothing."""
    close = get_close_matches(text.casefold(), options, n=1)
    return f"；是否应为 {close[0]}？" if close else ""


def _text(cell: str) -> str:
    if visible(cell) != cell:
        raise CellError(f"{quoted(cell)} 含有换行或不可见字符（□ 处），请重新输入该单元格")
    if len(cell) > _MAX_TEXT:
        raise CellError(f"{quoted(cell)} 过长：最多 {_MAX_TEXT} 个字符")
    return cell


def _identifier(cell: str) -> str:
    if not IDENTIFIER.fullmatch(cell):
        raise CellError(f"{quoted(cell)} 不是有效编号：应为 1 至 64 个小写字母、数字、- 或 _，且以字母或数字开头")
    return cell


def _kind(cell: str) -> str:
    if cell not in KIND_BY_NAME:
        known = "、".join(f"{kind.name}（{kind.zh}）" for kind in KIND_BY_NAME.values())
        raise CellError(f"没有设备类型 {quoted(cell)}：应为 {known} 之一{suggestion(cell, tuple(KIND_BY_NAME))}")
    return cell


def _stage(cell: str) -> str:
    if cell not in STAGES:
        raise CellError(f"没有阶段 {quoted(cell)}：应为 {'、'.join(STAGES)} 之一")
    return cell


def _service(cell: str) -> str:
    service = SERVICES.get(cell) or (cell if cell in set(Service) else None)
    if service is None:
        known = "、".join(f"{zh}（{word}）" for zh, word in SERVICES.items())
        raise CellError(f"没有状态 {quoted(cell)}：应为 {known} 之一")
    return str(service)


def _flag(cell: str) -> bool:
    if cell.lower() not in _FLAGS:
        raise CellError(f"{quoted(cell)} 应为 是 或 否（也可写 true/false、1/0）")
    return _FLAGS[cell.lower()]


def _day(cell: str) -> date:
    try:
        if _DATE.fullmatch(cell):
            return date.fromisoformat(cell)
    except ValueError:
        raise CellError(f"{quoted(cell)} 不是存在的日期：应为 YYYY-MM-DD，如 2024-05-01") from None
    raise CellError(f"{quoted(cell)} 不是日期：应为 YYYY-MM-DD，如 2024-05-01（表格软件中请先把该列设为文本）")


def _year(cell: str) -> int:
    if not _YEAR.fullmatch(cell) or int(cell) not in _YEARS:
        raise CellError(f"{quoted(cell)} 不是年份：应为 {_YEARS[0]} 至 {_YEARS[-1]} 的四位数字")
    return int(cell)


def _degrees(limit: int) -> Callable[[str], float]:
    def parse(cell: str) -> float:
        if not _DEGREES.fullmatch(cell) or abs(float(cell)) > limit:
            raise CellError(f"{quoted(cell)} 应为 -{limit} 至 {limit} 的十进制度数，如 39.81")
        return float(cell)

    return parse


_COMMUNITY = Column("community", _identifier, required=True)

COMMUNITIES = Form(
    "communities",
    (
        Column("community", _identifier, required=True, stored="id"),
        Column("name", _text, required=True),
        Column("banner", _text, required=True),
        Column("street", _text, required=True),
        Column("property_company", _text),
        Column("built_year", _year),
        Column("subsidised", _flag),
        Column("stage", _stage),
        Column("started_on", _day),
        Column("planned_finish", _day),
        Column("latitude", _degrees(90)),
        Column("longitude", _degrees(180)),
    ),
    key=("community",),
)

HOUSEHOLDS = Form(
    "households",
    (
        _COMMUNITY,
        Column("building", _text, required=True),
        Column("unit", _text, required=True),
        Column("room", _text, required=True),
    ),
    key=("community", "building", "unit", "room"),
)

DEVICES = Form(
    "devices",
    (
        _COMMUNITY,
        Column("device", _identifier, required=True, stored="name"),
        Column("kind", _kind, required=True),
        Column("building", _text, empty=""),
        Column("unit", _text, empty=""),
        Column("room", _text, empty=""),
        Column("gateway", _identifier),
        Column("plan_item", _text),
        Column("serial", _text),
        Column("installed_on", _day),
        Column("simulated", _flag, empty=False),
        Column("service", _service, empty=Service.IN_SERVICE.value),
    ),
    key=("community", "device"),
)
