"""Cells of an import file: the text of each becomes a value, or an error in Chinese for the author of the file."""

import re
from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from functools import lru_cache

from acceptance.criterion import Medium
from devices.catalogue import KIND_BY_NAME
from devices.device import Service
from devices.phone import PhoneError, normal_phone
from devices.text import visible
from devices.topic import IDENTIFIER
from imports.damage import AS_TEXT, MISSING, find_code_loss, find_day_number, fold_place, half_width

STAGES = ("储备", "新开工", "在建", "竣工")
SERVICES = {
    "在用": Service.IN_SERVICE,
    "调试": Service.COMMISSIONING,
    "停用": Service.OUT_OF_SERVICE,
    "报废": Service.RETIRED,
}

MEDIA = {"水": Medium.WATER, "电": Medium.ELECTRICITY, "气": Medium.GAS}

_KIND_BY_ZH = {kind.zh: kind for kind in KIND_BY_NAME.values()}
_MAX_TEXT = 100
_YEARS = range(1900, 2101)
_FLAGS = {"是": True, "true": True, "1": True, "否": False, "false": False, "0": False}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_BLANK_BETWEEN_DIGITS = re.compile(r"\d\s+\d", re.ASCII)
_WORD = re.compile(r"[水电气]|[^\s、,，;；/]+")
_DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,12})?", re.ASCII)


class CellError(ValueError):
    """A cell that cannot be used; the message names the expected content in Chinese."""


def quoted(text: str) -> str:
    """Return a piece of the file as a message shows it, cut to 40 characters."""
    return f"“{visible(text if len(text) <= 40 else text[:39] + '…')}”"


@lru_cache(maxsize=1_000)
def suggestion(text: str, options: tuple[str, ...]) -> str:
    """Return the end of a message that offers the most similar option, or an empty text."""
    close = get_close_matches(text.casefold(), options, n=1)
    return f"；是否应为 {close[0]}？" if close else ""


def parse_text(cell: str) -> str:
    """Return a text of at most 100 visible characters."""
    if visible(cell) != cell:
        raise CellError(f"{quoted(cell)} 含有换行或不可见字符（□ 处），请重新输入该单元格")
    if half_width(cell).casefold() in MISSING:
        raise CellError(f"{quoted(cell)} 是程序导出的空值：请填写实际内容")
    if len(cell) > _MAX_TEXT:
        raise CellError(f"{quoted(cell)} 过长：最多 {_MAX_TEXT} 个字符")
    return cell


def parse_identifier(cell: str) -> str:
    """Return an identifier that can stand in a topic."""
    text = _code(cell)
    if not IDENTIFIER.fullmatch(text):
        small = text.lower()
        closest = f"；是否应为 {small}？" if IDENTIFIER.fullmatch(small) else ""
        rule = "应为 1 至 64 个小写字母、数字、- 或 _，且以字母或数字开头"
        raise CellError(f"{quoted(cell)} 不是有效编号：{rule}{closest}")
    return text


def parse_place(cell: str) -> str:
    """Return a building, unit or room in its one spelling: no blanks, ASCII digits, capital letters."""
    text = _code(cell)
    if _BLANK_BETWEEN_DIGITS.search(text):
        raise CellError(f"{quoted(cell)} 的数字之间有空格：楼、单元、房号请分列填写")
    if loss := find_day_number(text):
        raise CellError(f"{quoted(cell)} {loss}")
    return fold_place(text)


def parse_serial(cell: str) -> str:
    """Return a serial number without blanks and in ASCII digits."""
    return "".join(_code(cell).split())


def _code(cell: str) -> str:
    """Return a code as it was typed, in ASCII digits and letters."""
    text = half_width(parse_text(cell))
    if loss := find_code_loss(text):
        raise CellError(f"{quoted(cell)} {loss}")
    return text


def parse_phone(cell: str) -> str:
    """Return a telephone number as its digits."""
    try:
        return normal_phone(_code(cell))
    except PhoneError as error:
        raise CellError(f"{quoted(cell)} {error}") from None


def parse_kind(cell: str) -> str:
    """Return the name of a device kind, which may be written in Chinese."""
    text = "".join(cell.split())
    kind = KIND_BY_NAME.get(text) or _KIND_BY_ZH.get(text)
    if kind is None:
        options = "、".join(f"{kind.name}（{kind.zh}）" for kind in KIND_BY_NAME.values())
        closest = suggestion(cell, (*KIND_BY_NAME, *_KIND_BY_ZH))
        raise CellError(f"没有设备类型 {quoted(cell)}：应为 {options} 之一{closest}")
    return kind.name


def parse_stage(cell: str) -> str:
    """Return a stage of the renovation."""
    if cell not in STAGES:
        raise CellError(f"没有阶段 {quoted(cell)}：应为 {'、'.join(STAGES)} 之一")
    return cell


def parse_service(cell: str) -> str:
    """Return a service state, which may be written in Chinese or as it is stored."""
    service = SERVICES.get(cell) or (cell if cell in SERVICES.values() else None)
    if service is None:
        options = "、".join(f"{zh}（{word}）" for zh, word in SERVICES.items())
        raise CellError(f"没有状态 {quoted(cell)}：应为 {options} 之一")
    return str(service)


def parse_media(cell: str) -> str:
    """Return the media of a cell, written in Chinese or as they are stored, as `water,gas` in a fixed order."""
    words = set(_WORD.findall(cell))
    if unknown := words - MEDIA.keys() - set(Medium):
        options = "、".join(f"{zh}（{medium}）" for zh, medium in MEDIA.items())
        raise CellError(f"{quoted(min(unknown))} 不是表的种类：应为 {options}，几种之间用顿号")
    return ",".join(medium for zh, medium in MEDIA.items() if words & {zh, medium})


def parse_flag(cell: str) -> bool:
    """Return a truth value."""
    if cell.lower() not in _FLAGS:
        raise CellError(f"{quoted(cell)} 应为 是 或 否（也可写 true/false、1/0）")
    return _FLAGS[cell.lower()]


def parse_date(cell: str) -> date:
    """Return a date in the form YYYY-MM-DD."""
    try:
        if _DATE.fullmatch(cell):
            return date.fromisoformat(cell)
    except ValueError:
        raise CellError(f"{quoted(cell)} 不是存在的日期：应为 YYYY-MM-DD，如 2024-05-01") from None
    raise CellError(f"{quoted(cell)} 不是日期：应为 YYYY-MM-DD，如 2024-05-01；{AS_TEXT}")


def parse_year(cell: str) -> int:
    """Return a year from 1900 to 2100."""
    if not _YEAR.fullmatch(cell) or int(cell) not in _YEARS:
        raise CellError(f"{quoted(cell)} 不是年份：应为 {_YEARS[0]} 至 {_YEARS[-1]} 的四位数字")
    return int(cell)


def degrees_parser(limit: int) -> Callable[[str], float]:
    """Return a parser of decimal degrees between -limit and limit."""

    def parse(cell: str) -> float:
        if not _DEGREES.fullmatch(cell) or abs(float(cell)) > limit:
            raise CellError(f"{quoted(cell)} 应为 -{limit} 至 {limit} 的十进制度数，如 39.81")
        return float(cell)

    return parse
