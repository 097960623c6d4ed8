"""Damage that spreadsheets do to cells: mended where nothing is lost, named where something is.

`docs/import.md` lists every form of damage. Unless a column is formatted as text, spreadsheets take a room such as 3-1
for a date and a serial number for a large number, and drop leading zeros.
"""

import re
import string
from datetime import date, timedelta

AS_TEXT = "请先把这一列设为“文本”格式，再重新填写"
_NOTHING = frozenset({"-", "--", "—", "——", "/", "\\", "无", "暂无"})

MISSING = frozenset({"nan", "none", "null", "n/a", "nat", "inf", "undefined"})
"""Texts that programs write for a missing value, in small letters."""

# Digits, letters and the signs of codes in their full-width forms, which Chinese input methods type. Commas and
# brackets stay: 501，502 is no number with a thousands separator.
_CODE_CHARACTERS = string.digits + string.ascii_letters + "#-./:_+=%!?"
_HALF_WIDTH = {ord(character) + 0xFEE0: character for character in _CODE_CHARACTERS} | {0x3000: " "}

_APOSTROPHES = frozenset("'‘’＇")
_QUOTED_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
_ERROR = re.compile(r"#(N/A( N/A)?|[A-Z0/]+[!?]|GETTING_DATA)|(Err|错误):\d{3}", re.IGNORECASE)
_TOO_NARROW = re.compile(r"#{3,}")

_SCIENTIFIC = re.compile(r"[+-]?(\d+(\.\d+)?E\+\d+|\d+\.\d+E-?\d+)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+\.\d*|\d{1,3}(,\d{3}){2,}|\d{1,2},\d{3}|[¥￥$€]\d[\d.,]*|\d[\d.]*%")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)"
_CLOCK = r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[ap]m)?"
_DAY = (
    rf"\d{{1,2}}[-/ ]{_MONTH}([-/ ](\d\d|\d{{4}}))?|{_MONTH}[-/ ]\d{{1,2}}"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}/\d{1,2}/(\d\d|\d{4})|\d{4}年(\d{1,2}月)?(\d{1,2}日)?|\d{1,2}月(\d{1,2}日)?"
)
_DATE = re.compile(rf"({_DAY})([T ]{_CLOCK})?|{_CLOCK}", re.IGNORECASE)

# Day 0 of the spreadsheets' calendar, and the days that a damaged room can be: of the years 2010 to 2049.
_DAY_0 = date(1899, 12, 30)
_DAY_NUMBERS = range((date(2010, 1, 1) - _DAY_0).days, (date(2050, 1, 1) - _DAY_0).days)


def unwrap(cell: str) -> str:
    """Return the text that the author meant by a leading apostrophe, or by a formula that is a quoted text."""
    text = cell.strip()
    if text.isalnum():
        return text
    if formula := _QUOTED_FORMULA.fullmatch(text):
        text = formula[1].replace('""', '"')
    return text[text[:1] in _APOSTROPHES :].strip()


def half_width(text: str) -> str:
    """Return the text with ASCII digits, letters and signs instead of their full-width forms: ５０１ becomes 501."""
    return text if text.isascii() else text.translate(_HALF_WIDTH)


def fold_place(text: str) -> str:
    """Return a building, unit or room without blanks, in ASCII digits and capital letters."""
    return "".join(half_width(text).split()).upper()


def means_nothing(text: str) -> bool:
    """Return whether a cell is a word for nothing, such as 无 or a dash."""
    return half_width(unwrap(text)) in _NOTHING


def find_loss(text: str) -> str | None:
    """Return why a cell of any column has lost its content, or None."""
    if text.isalnum():
        return None
    text = half_width(text)
    if _ERROR.fullmatch(text):
        return "是表格软件的错误值，原来的内容已经丢失：请填写实际内容"
    if _TOO_NARROW.fullmatch(text):
        return "是列宽不够时的显示，不是内容：请把这一列拉宽后重新另存"
    if text.startswith("="):
        return "是公式，不是内容：请复制这一列，再“选择性粘贴”为“值”"
    return None


def find_code_loss(text: str) -> str | None:
    """Return why a code (an id, a serial number, a part of a place) is no longer as it was typed, or None."""
    if text.casefold() in {"true", "false"}:
        return f"是表格软件的逻辑值：{AS_TEXT}"
    if text.isascii() and text.isalnum():
        return None
    if _SCIENTIFIC.fullmatch(text):
        return f"是科学计数法，后面的数字已经丢失：{AS_TEXT}"
    if _NUMBER.fullmatch(text):
        return f"被表格软件当成了数字，原来的写法可能已经丢失：{AS_TEXT}"
    if _DATE.fullmatch(text):
        return f"像是被表格软件改成了日期或时间（3-1 会变成 1-Mar 或 3月1日）：{AS_TEXT}"
    return None


def find_day_number(text: str) -> str | None:
    """Return why a part of a place is the number of a day in the spreadsheets' calendar, or None."""
    if len(text) != 5 or not text.isascii() or not text.isdigit() or int(text) not in _DAY_NUMBERS:
        return None
    day = _DAY_0 + timedelta(days=int(text))
    return f"是日期 {day} 在表格软件中的序号，原来的内容已经丢失：{AS_TEXT}（确是房号时写作 {text}室）"
