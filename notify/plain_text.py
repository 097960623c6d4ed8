"""Texts of alerts without characters that a receiver would obey: invisible ones, and those of markup.

Names come from import files, texts from rule files, assignees from the API. None may turn a line around, add a header
to an e-mail, or draw a link.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from devices.text import visible
from store.alerts.alerts import AlertRow

_LINE_BREAKS = str.maketrans("\r\n\t\u2028\u2029", "     ")
# Characters that a robot or a mail program would take for markup, and look-alikes without that effect.
_MARKUP = str.maketrans("<>*`[]", "＜＞＊＇［］")


def visible_line(text: str) -> str:
    """Return a text as one line of visible characters."""
    return visible(text.translate(_LINE_BREAKS))


def plain_line(text: str) -> str:
    """Return a text as one line of visible characters without markup."""
    return visible_line(text).translate(_MARKUP)


def with_texts(alert: AlertRow, change: Callable[[str], str]) -> AlertRow:
    """Return the alert with each of its texts changed."""
    values = {field.name: getattr(alert, field.name) for field in fields(alert)}
    changed: dict[str, Any] = {name: change(value) for name, value in values.items() if isinstance(value, str)}
    return replace(alert, **changed)
