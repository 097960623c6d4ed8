"""The routing in force, read again when its file has changed."""

import threading
from pathlib import Path

import structlog

from notify.routing import Routing
from notify.routing_file import RoutingFileError, load_routing

log = structlog.get_logger()


class RoutingWatch:
    """Use it from any thread. A file that has become unusable is reported, and what it said before stays in force."""

    def __init__(self, path: Path | None) -> None:
        """Read the file for the first time; without one nobody is told.

        Raises:
            RoutingFileError: the file can't be used.
        """
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._routing = load_routing(path) if path else Routing()
        self._report()

    def current(self) -> Routing:
        """Who is told now."""
        with self._lock:
            stamp = self._stamp()
            if self._path and stamp != self._seen:
                self._seen = stamp
                try:
                    self._routing = load_routing(self._path)
                except RoutingFileError as error:
                    log.warning("the changed file can't be used, the old one stays in force", error=str(error))
                else:
                    self._report()
            return self._routing

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size) if status else None

    def _report(self) -> None:
        if self._routing.routes:
            log.info("people are told", contacts=len(self._routing.contacts), routes=len(self._routing.routes))
        else:
            log.info("nobody is told of alerts: ANJU_NOTIFY_FILE names no file with routes")
