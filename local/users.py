"""Unprivileged user for services that root starts.

PostgreSQL refuses to run as root, and the broker does not need to.
"""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

SETTING = "ANJU_LOCAL_USER"
DEFAULT_USER = "nobody"


@dataclass(frozen=True, slots=True)
class User:
    """Account of this machine."""

    name: str
    uid: int
    gid: int


def service_user(environ: Mapping[str, str] = os.environ) -> User | None:
    """Return the user to drop to, or None if this process is unprivileged already.

    Raises:
        LocalError: `ANJU_LOCAL_USER` names no account, or root itself.
    """
    if os.geteuid() != 0:
        return None
    name = environ.get(SETTING, DEFAULT_USER)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise LocalError(
            f"PostgreSQL does not run as root, and this machine has no user {name!r} to run it as. "
            f"Set {SETTING} to an unprivileged user that exists."
        ) from None
    if entry.pw_uid == 0:
        raise LocalError(f"{SETTING}={name} is root; PostgreSQL needs an unprivileged user.")
    return User(name, entry.pw_uid, entry.pw_gid)


def private_directory(path: Path, user: User | None) -> Path:
    """Create or restrict `path` as a directory for the service's user alone, and return it.

    Raises:
        LocalError: it belongs to another user and this process may not change that.
    """
    path.mkdir(parents=True, exist_ok=True)
    owner = user.uid if user else os.geteuid()
    if path.stat().st_uid != owner:
        if user is None:
            raise LocalError(
                f"{path} belongs to another user (uid {path.stat().st_uid}), perhaps because root ran Anju here. "
                "Choose another data directory, or remove this one."
            )
        for entry in (path, *path.rglob("*")):
            os.chown(entry, user.uid, user.gid, follow_symlinks=False)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: str | bytes, user: User | None = None) -> None:
    """Replace the file in one step by this content, readable by the service's user only, whatever its mode was."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if user:
            os.fchown(file.fileno(), user.uid, user.gid)
    draft.replace(path)


def as_seen_from_inside(directory: Path, user: User | None) -> Path:
    """Return the name under which a service started in `directory` reaches it.

    The data directory may be out of reach for the unprivileged user, such as below root's home. A working directory is
    inherited open, and this name passes through it.
    """
    return Path("/proc/self/cwd") if user else directory.resolve()
