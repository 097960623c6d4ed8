"""Passwords that are made once and kept in a file."""

import secrets
from pathlib import Path

from local.users import User, write_private


def kept_secret(path: Path, user: User | None) -> str:
    """The secret in `path` (mode 600, readable by `user`), made now when there is none.

    It is 32 characters of the URL-safe alphabet, so it stands unquoted in a URL and in a configuration file.
    """
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24), user)
    return path.read_text().strip()
