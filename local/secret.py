"""Secrets in files: generated once, and read only where no other user can read or replace them."""

import os
import secrets
import stat
from pathlib import Path

from local.errors import LocalError
from local.users import User, write_private


def kept_secret(path: Path, user: User | None, *, used_by: Path | None = None) -> str:
    """Return the secret in `path` (mode 600, readable by `user`), which is generated the first time.

    It has 43 characters of the URL-safe alphabet, which need no quotes in a URL or a configuration file.

    Args:
        path: the file.
        user: the account of the service that reads it; this process's own when None.
        used_by: data that only this secret opens, such as a database.

    Raises:
        LocalError: the file is lost although `used_by` exists, or `read_secret` refuses it.
    """
    if not path.exists():
        if used_by and used_by.exists():
            raise LocalError(
                f"{path} is lost, and {used_by} opens with nothing else: a new one would not fit. Put the file back "
                "from a copy, restore a backup into another data directory, or begin anew with --data-dir."
            )
        write_private(path, secrets.token_urlsafe(32), user)
    return read_secret(path, user)


def read_secret(path: Path, user: User | None = None) -> str:
    """Return the secret in a file of this process's user, of `user` or of root, without white space around it.

    Raises:
        LocalError: it belongs to another user, is open to everybody, or is empty; the message names the remedy.
    """
    with path.open(encoding="utf-8") as file:
        status, text = os.fstat(file.fileno()), file.read().strip()
    refuse_foreign(path, status, user)
    if status.st_mode & (stat.S_IWGRP | stat.S_IRWXO):
        raise LocalError(
            f"{path} is a secret, and other users can read or change it (mode {stat.S_IMODE(status.st_mode):o}): "
            f"replace the secret if they may have, then chmod 600 {path}"
        )
    if not text:
        raise LocalError(f"{path} is empty: put the secret back from a copy.")
    return text


def refuse_foreign(path: Path, status: os.stat_result, user: User | None = None) -> None:
    """Refuse a file that another user wrote, who would choose servers and keys by it.

    Raises:
        LocalError: it belongs neither to this process's user, nor to `user`, to root, or to the caller of sudo.
    """
    owners = {os.geteuid(), 0, int(os.environ.get("SUDO_UID", "0")), *([user.uid] if user else [])}
    if status.st_uid not in owners:
        raise LocalError(
            f"{path} belongs to another user (uid {status.st_uid}), who could have chosen its contents. Check them, "
            f"then take it over with chown, or remove it."
        )
