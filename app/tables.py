"""Tables on a terminal, with columns that are aligned for Chinese as well."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.output import harmless

_WIDE = 200
"""Width without a terminal, so that nothing is cut or wrapped."""


def terminal(*, err: bool = False) -> Console:
    """Return a console on standard output or standard error; a file or a pipe gets no colours."""
    file = sys.stderr if err else sys.stdout
    return Console(file=file, highlight=False, markup=False, width=None if file.isatty() else _WIDE)


def say_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
    out: Console | None = None,
) -> None:
    """Print rows under a head. Columns in `numbers` are right-aligned; they and `whole` columns never wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in head:
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=name in {*numbers, *whole})
    for row in rows:
        table.add_row(*(harmless(cell) if isinstance(cell, str) else cell for cell in row))
    (out or terminal()).print(table)
