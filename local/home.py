"""Data directory of one Anju, with its layout and a single owner at a time."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import LocalError
from local.locks import open_lock, try_lock
from local.ports import Ports


class Home:
    """Data directory, owned by this process until `close`.

    `postgres/` and `broker/` belong to the services. `log/` contains a log file for each part, `run/` a pid file, and
    `ports.json` their last ports.

    Raises:
        LocalError: another process owns it, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        lock_file = self.path / "run" / "owner.lock"
        try:
            for folder in (self.path / "log", self.path / "run"):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)  # parts inherit their log and their lock as open files
            self._lock = open_lock(lock_file)
        except OSError as error:
            raise LocalError(
                f"{self.path} cannot hold Anju's data ({error.strerror}: {error.filename}). "
                "Choose another data directory with --data-dir."
            ) from error
        if not try_lock(self._lock):
            os.close(self._lock)
            raise LocalError(
                f"{self.path} is in use by another Anju (process {lock_file.read_text().strip() or 'unknown'}). "
                "Stop that one, or choose another data directory with --data-dir."
            )
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        self.ports = Ports(self.path)

    def pid_file(self, part: str) -> Path:
        """Return the file with the process id of a running part."""
        return self.path / "run" / f"{part}.pid"

    def log_file(self, part: str) -> Path:
        """Return the file for standard output and error of a part."""
        return self.path / "log" / f"{part}.log"

    def close(self) -> None:
        """Release the directory for another process."""
        self.ports.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
