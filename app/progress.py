"""Progress of long work on standard error: a bar on a terminal, plain lines elsewhere. Nothing for work under 2 s."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

_SHOWN_AFTER_S = 2.0
_BAR_EVERY_S = 0.25
_LINE_EVERY_S = 10.0


class Progress:
    """Progress of some work: the fraction done, None where it is unknown, and the number of units done."""

    def __init__(self, title: str, unit: str, look: Callable[["Progress"], None] = lambda _: None) -> None:
        """Begin.

        Args:
            title: The work.
            unit: The name of what is counted, such as `messages`; may be empty.
            look: Updates the progress before it is shown, for work that does not report.
        """
        self.title = title
        self.look = look
        self.fraction: float | None = None
        self.count = 0
        self.done = threading.Event()
        self._unit = unit
        self._began = time.monotonic()

    def update(self, fraction: float | None = None, count: int = 0) -> None:
        """Note the fraction done, from 0 to 1, and the count; cheap enough for every message."""
        self.fraction, self.count = fraction, count

    def end(self) -> None:
        """Show nothing more, for work that goes on without an end."""
        self.done.set()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> str:
        """Count and rate, such as `12,300 messages, 1,230 a second`; empty where nothing is counted."""
        if not (self._unit and self.count):
            return ""
        return f"{self.count:,} {self._unit}, {self.count / self.elapsed_s:,.0f} a second"

    @property
    def left(self) -> str:
        """Time left, such as `1:05 left`; without a fraction the time spent, such as `for 1:05`."""
        if not self.fraction:
            return f"for {_clock(self.elapsed_s)}"
        return f"{_clock(self.elapsed_s * (1 - self.fraction) / self.fraction)} left"

    @property
    def line(self) -> str:
        """All of it on one line."""
        done = "" if self.fraction is None else f"{self.fraction:.0%}"
        return f"{self.title}: {', '.join(part for part in (done, self.rate, self.left) if part)}"


@contextmanager
def progress(title: str, unit: str = "", look: Callable[[Progress], None] = lambda _: None) -> Iterator[Progress]:
    """Show the progress of the work in the block, which calls `update` where it can; arguments as of `Progress`."""
    work = Progress(title, unit, look)
    thread = threading.Thread(target=_show, args=(work,), daemon=True)
    thread.start()
    try:
        yield work
    finally:
        work.end()
        thread.join()


def _show(work: Progress) -> None:
    if work.done.wait(_SHOWN_AFTER_S):
        return
    if sys.stderr.isatty():
        _show_bar(work)
    else:
        _print_lines(work)


def _print_lines(work: Progress) -> None:
    while True:
        work.look(work)
        typer.echo(work.line, err=True)
        if work.done.wait(_LINE_EVERY_S):
            return


def _show_bar(work: Progress) -> None:
    from rich.console import Console  # noqa: PLC0415 - 50 ms that only a person at a terminal waits for
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(
        *columns,
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=sys.stdout.isatty(),  # so that other lines appear above the bar
    ) as bar:
        task = bar.add_task(work.title, total=None, rate="", left="")
        while not work.done.wait(_BAR_EVERY_S):
            work.look(work)
            total = None if work.fraction is None else 1.0
            bar.update(task, total=total, completed=work.fraction or 0, rate=work.rate, left=work.left)
            bar.refresh()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
