"""Rotation of the logs of the parts, which hold their log open all their life."""

import os
import shutil
from pathlib import Path

LIMIT_BYTES = 32 * 2**20
KEPT = 3
_CHUNK_BYTES = 2**20


def rotate(log: Path, *, limit_bytes: int = LIMIT_BYTES, kept: int = KEPT) -> bool:
    """Copy a log above the limit to `<name>.1`, after the older copies, and empty it; return whether it was.

    The parts append, so that they go on at the beginning of the emptied file. A line that is written between the end
    of the copy and the truncation is lost.

    Raises:
        OSError: there is no room for the copy; the log stays as it is.
    """
    if not log.exists() or log.stat().st_size <= limit_bytes:
        return False
    for number in range(kept, 1, -1):
        if (older := earlier(log, number - 1)).exists():
            older.replace(earlier(log, number))
    copy = earlier(log, 1)
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with log.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        try:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
        except OSError:
            copy.unlink()
            raise
    os.truncate(log, 0)
    return True


def earlier(log: Path, number: int = 1) -> Path:
    """Return the file of an earlier part of the log: 1 is the one before the present one."""
    return log.with_name(f"{log.name}.{number}")
