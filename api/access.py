"""Who may call: one bearer key, until there are accounts."""

import secrets
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import KeyRefusedProblem

ACTOR = "api"
"""The name under which what the holder of the key does is written down."""

_bearer = HTTPBearer(auto_error=False, description="The API key of the settings (`ANJU_API_KEY`).")


class KeyGuard:
    """A dependency that lets a request pass when it carries the key."""

    def __init__(self, key: str) -> None:
        """Guard with this key.

        Raises:
            ValueError: the key is empty, so that everybody would hold it.
        """
        if not key:
            raise ValueError("the API key is empty: set ANJU_API_KEY")
        self._key = key.encode()

    def __call__(self, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        """Compare in constant time, so that answers tell nothing about the key.

        Raises:
            KeyRefusedProblem: there is no key, or another one.
        """
        if credentials is None or not secrets.compare_digest(credentials.credentials.encode(), self._key):
            raise KeyRefusedProblem
