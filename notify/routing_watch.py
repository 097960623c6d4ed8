"""Routing in force, reread when its file changes."""

import threading
from pathlib import Path

import structlog

from notify.routing import Routing
from notify.routing_file import RoutingFileError, load_routing
from rules.language.file_changes import FileChanges

log = structlog.get_logger()


class RoutingWatch:
    """Thread-safe access to the routing. An invalid changed file is logged, and the previous routing stays in force."""

    def __init__(self, path: Path | None) -> None:
        """Read the file for the first time; without a file no alert is routed.

        Raises:
            RoutingFileError: The file can't be used.
        """
        self._path = path
        self._lock = threading.Lock()
        self._changes = FileChanges(lambda: [path] if path else [])
        self._routing = load_routing(path) if path else Routing()
        self._report()

    def current(self) -> Routing:
        """Return the routing in force, after rereading a changed file."""
        with self._lock:
            if self._path and self._changes.detect():
                try:
                    self._routing = load_routing(self._path)
                except RoutingFileError as error:
                    log.warning("the changed file can't be used, the old one stays in force", error=str(error))
                else:
                    self._report()
            return self._routing

    def _report(self) -> None:
        if self._routing.routes:
            log.info("alerts are routed", contacts=len(self._routing.contacts), routes=len(self._routing.routes))
        else:
            log.info("no notices are sent: ANJU_NOTIFY_FILE names no file with routes")
