"""Places where settings can stand: the environment, `.env`, secret files, and the file of a running `anju up`."""

import os
from pathlib import Path

PREFIX = "ANJU_"
SECRETS_DIR = Path("/run/secrets")
DOTENV = Path(".env")
RUNNING = Path(".anju/anju.env")
"""File with the settings of a running `anju up`, in its default data directory."""

# Read by local/ and by the tests themselves: they choose servers, not how Anju behaves.
_OTHER_KEYS = ("ANJU_LOCAL_", "ANJU_TEST_", "ANJU_DEBIAN_MIRROR")


def is_setting(key: str) -> bool:
    """Return whether a key of the environment belongs to Anju's settings."""
    return key.startswith(PREFIX) and not key.startswith(_OTHER_KEYS)


def is_unset() -> bool:
    """Return whether no setting stands anywhere, so that every default is in force."""
    files = (DOTENV, RUNNING, SECRETS_DIR)
    return not any(file.exists() for file in files) and not any(is_setting(key.upper()) for key in os.environ)
