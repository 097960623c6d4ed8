"""The unprivileged user that services run as when root starts them.

PostgreSQL refuses to run as root, and the broker has no reason to.
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
    """An account of this machine."""

    name: str
    uid: int
    gid: int


def service_user(environ: Mapping[str, str] = os.environ) -> User | None:
    """The user to drop to, or None when this process is unprivileged already.

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
    """Make `path` a directory that only the service's user can enter, and return it.

    Raises:
        LocalError: it belongs to somebody else and this process may not change that.
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


def write_private(path: Path, text: str, user: User | None) -> None:
    """Replace the file by one with this text that only the service's user can read, in one step."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        if user:
            os.fchown(file.fileno(), user.uid, user.gid)
    draft.replace(path)


def as_seen_from_inside(directory: Path, user: User | None) -> Path:
    """The name under which a service started in `directory` reaches it.

    The data directory may stand where the unprivileged user cannot walk to, such as below root's home. A working
    directory is inherited open, and this name goes through it without walking.
    """
    return Path("/proc/self/cwd") if user else directory.resolve()
