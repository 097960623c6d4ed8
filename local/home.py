"""The data directory of one Anju: what lies where in it, and that one process at a time owns it."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import LocalError
from local.locks import open_lock, try_lock
from local.ports import Ports


class Home:
    """A data directory, held by this process until `close`.

    `postgres/` and `broker/` belong to the services, `log/` holds what each part writes, `run/` a pid file for
    each part, `ports.json` the ports they had.

    Raises:
        LocalError: another process holds it, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        lock_file = self.path / "run" / "owner.lock"
        try:
            (self.path / "log").mkdir(parents=True, exist_ok=True)
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
        """Where the part's process id stands while it runs."""
        return self.path / "run" / f"{part}.pid"

    def log_file(self, part: str) -> Path:
        """Where the part's standard output and error go."""
        return self.path / "log" / f"{part}.log"

    def close(self) -> None:
        """Let another process have the directory."""
        self.ports.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
