"""Options that take a person's text: one line of visible characters, as over the API and in files of an import."""

import typer

from devices.text import visible


def require_visible(text: str | None) -> str | None:
    """Return the text of an option.

    Raises:
        typer.BadParameter: it has a line break, or a character that nobody sees.
    """
    if text is not None and visible(text) != text:
        raise typer.BadParameter(f"“{visible(text)}” 含有换行或不可见字符（□ 处），请重新输入")
    return text
