"""Supervisor of the parts of `anju up`: start in order, restart after a death, stop in reverse order."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from local.errors import LocalError
from local.home import Home
from local.log_files import rotate
from local.process import Part, Process, start_together

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 3.0  # a part is restarted within 5 s, whatever its history
STEADY_AFTER_S = 30.0
CHECK_EVERY_S = 0.2
ROTATE_EVERY_S = 5.0
REFRESH_EVERY_S = 30.0
HASTE_S = 3.0


def restart_delay_s(deaths: int) -> float:
    """Return the seconds before the restart of a part that has died `deaths` (>= 1) times in quick succession."""
    return min(FIRST_DELAY_S * 2.0 ** min(deaths - 1, 16), LONGEST_DELAY_S)


@dataclass
class _Watched:
    process: Process
    started_at: float = field(default_factory=time.monotonic)
    deaths: int = 0
    start_again_at: float | None = None


class Supervisor:
    """Running parts of one data directory; leaving the `with` block stops all of them, after an exception in haste.

    Use it from the main thread only: the lives of the parts are tied to the thread that starts them.
    """

    def __init__(self, home: Home, progress: Callable[[str], None]) -> None:
        self._home = home
        self._progress = progress
        self._watched: list[_Watched] = []
        self._rotate_at = 0.0
        self._refresh_at = 0.0

    def start(self, part: Part, timeout_s: float = 60) -> Process:
        """Start a part after those before it, wait until it is ready, and keep it running from now on.

        Raises:
            LocalError: it ended, or was not ready in time.
        """
        return self.start_together((part,), timeout_s)[0]

    def start_together(self, parts: Sequence[Part], timeout_s: float = 60) -> list[Process]:
        """Start parts that depend on each other, and keep them running."""
        processes = [Process(part, self._home) for part in parts]
        for process in processes:
            self._watched.append(_Watched(process))
        start_together(processes, timeout_s)
        return processes

    def watch(self, stop: threading.Event) -> None:
        """Restart parts that die, rotate their logs, and keep their files up to date, until `stop` is set."""
        while not stop.wait(CHECK_EVERY_S):
            now = time.monotonic()
            for watched in self._watched:
                self._look_after(watched, now)
            if now >= self._rotate_at:
                self._rotate_at = now + ROTATE_EVERY_S
                self._rotate_logs()
            if now >= self._refresh_at:
                self._refresh_at = now + REFRESH_EVERY_S
                self._refresh()

    def stop(self) -> None:
        """Stop all parts in the reverse order of their start."""
        with ExitStack() as stops:
            for watched in self._watched:
                stops.callback(watched.process.stop)
            self._watched = []

    def abandon(self) -> None:
        """Stop all parts at the same time; kill the remaining ones after three seconds."""
        processes = [watched.process for watched in reversed(self._watched)]
        self._watched = []
        for process in processes:
            process.ask_to_end()
        until = time.monotonic() + HASTE_S
        for process in processes:
            process.stop(max(0.0, until - time.monotonic()))

    def _rotate_logs(self) -> None:
        for log in (watched.process.log_file for watched in self._watched):
            try:
                rotate(log)
            except OSError as error:
                self._progress(f"{log} grows and cannot be rotated: {error.strerror}")
                self._rotate_at = time.monotonic() + 60 * ROTATE_EVERY_S

    def _refresh(self) -> None:
        for process in (watched.process for watched in self._watched):
            try:
                if process.part.refresh and process.part.refresh():
                    process.reload()
                    self._progress(f"{process.part.name} has new certificates")
            except (LocalError, OSError) as error:
                self._progress(f"{process.part.name} keeps its certificates: {error}")
                self._refresh_at = time.monotonic() + 60 * REFRESH_EVERY_S

    def _look_after(self, watched: _Watched, now: float) -> None:
        process = watched.process
        if process.alive():
            return
        if watched.start_again_at is None:
            watched.deaths = 1 if now - watched.started_at > STEADY_AFTER_S else watched.deaths + 1
            delay_s = restart_delay_s(watched.deaths)
            watched.start_again_at = now + delay_s
            how = f"{process.how_it_ended()}{process.full_disk()}"
            self._progress(
                f"{process.part.name} {how}; starting it again in {delay_s:g} s (its log: {process.log_file})"
            )
        elif now >= watched.start_again_at:
            self._start_again(watched, now)

    def _start_again(self, watched: _Watched, now: float) -> None:
        try:
            watched.process.spawn()
        except (LocalError, OSError) as error:
            watched.start_again_at = now + LONGEST_DELAY_S
            self._progress(f"{watched.process.part.name} cannot be started, next attempt soon: {error}")
        else:
            watched.start_again_at = None
            watched.started_at = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.abandon()
