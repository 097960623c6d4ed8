"""Telephone numbers as people write them, in one spelling."""

import re

from devices.text import visible

_DECORATION = re.compile(r"[\s\-()（）－—·.]")
_FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), 0xFF0B)}
_NUMBER = re.compile(
    r"1[3-9]\d{9}"  # mobile
    r"|0\d{2,3}[2-9]\d{6,7}"  # landline with its area code
    r"|[2-9]\d{6,7}"  # landline without
    r"|[48]00\d{7}"
    r"|11[0249]|12[02]|1[012]\d{3}|9[56]\d{3,6}",  # emergency and service numbers
    re.ASCII,
)


class PhoneError(ValueError):
    """A text is no telephone number of China; the message is for the person who wrote it."""


def normal_phone(text: str) -> str:
    """Return a number as its digits: `13812345678`, or `04778581234` for a landline.

    Raises:
        PhoneError: It is none.
    """
    digits = _DECORATION.sub("", visible(text).translate(_FULL_WIDTH))
    digits = digits.removeprefix("+86").removeprefix("0086")
    if not _NUMBER.fullmatch(digits):
        raise PhoneError("不是电话号码：应为 11 位手机号，或带区号的座机号，如 0477-8581234")
    return digits
