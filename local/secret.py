"""Passwords that are generated once and stored in a file."""

import secrets
from pathlib import Path

from local.users import User, write_private


def kept_secret(path: Path, user: User | None) -> str:
    """Return the secret in `path` (mode 600, readable by `user`), which is generated the first time.

    It has 32 characters of the URL-safe alphabet, which need no quotes in a URL or a configuration file.
    """
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24), user)
    return path.read_text().strip()
