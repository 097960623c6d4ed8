"""Unprivileged users for services that root starts, one for each service.

PostgreSQL refuses to run as root, and no other service needs to. Services of one user could read each other's memory
and secrets.
"""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

SETTING = "ANJU_LOCAL_USER"
DEFAULT_USER = "nobody"
SERVICES = ("postgres", "broker", "ingest", "api", "worker", "door", "simulators")
# Numbers 60578 to 61183 are unassigned: https://systemd.io/UIDS-GIDS/
_FIRST_UID = 60600


@dataclass(frozen=True, slots=True)
class User:
    """Account of this machine."""

    name: str
    uid: int
    gid: int


def service_user(service: str, environ: Mapping[str, str] = os.environ) -> User | None:
    """Return the user to run one of `SERVICES` as, or None if this process is unprivileged already.

    It is the account `anju-<service>` where this machine has one, else a number without an account. `ANJU_LOCAL_USER`
    names one account for all services.

    Raises:
        LocalError: `ANJU_LOCAL_USER` names no account, or root itself.
    """
    if os.geteuid() != 0:
        return None
    if SETTING in environ:
        return _account(environ[SETTING])
    uid = _FIRST_UID + SERVICES.index(service)
    try:
        entry = pwd.getpwnam(f"anju-{service}")
    except KeyError:
        return User(f"anju-{service}", uid, uid)
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def user_with_account(user: User | None) -> User | None:
    """Return the user itself if this machine has an account for it, else another unprivileged one.

    Raises:
        LocalError: this machine has no account `nobody`.
    """
    if user is None:
        return None
    try:
        pwd.getpwuid(user.uid)
    except KeyError:
        return _account(DEFAULT_USER)
    return user


def _account(name: str) -> User:
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
