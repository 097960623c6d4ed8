"""Detection of changed files."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path


class FileChanges:
    """Detector of changes of files, by their size and time of modification."""

    def __init__(self, list_files: Callable[[], Iterable[Path]]) -> None:
        """Remember the present files; `list_files` may list missing ones and is called for each detection."""
        self._list_files = list_files
        self._fingerprint = self._take_fingerprint()

    def detect(self) -> bool:
        """Return whether a file was changed, added or removed since the last call."""
        last, self._fingerprint = self._fingerprint, self._take_fingerprint()
        return self._fingerprint != last

    def _take_fingerprint(self) -> Mapping[Path, tuple[int, int]]:
        fingerprint = {}
        for path in self._list_files():
            with suppress(OSError):
                if path.is_file():
                    status = path.stat()
                    fingerprint[path] = status.st_size, status.st_mtime_ns
        return fingerprint
