"""Access control: one bearer key, until there are accounts."""

import secrets
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import KeyRefusedProblem

ACTOR = "api"
"""Actor in the audit log for changes made with the key."""

_bearer = HTTPBearer(auto_error=False, description="The API key of the settings (`ANJU_API_KEY`).")


class KeyGuard:
    """FastAPI dependency that admits requests with the API key."""

    def __init__(self, key: str) -> None:
        """Guard with this key.

        Raises:
            ValueError: The key is empty, so that any request would have it.
        """
        if not key:
            raise ValueError("the API key is empty: set ANJU_API_KEY")
        self._key = key.encode()

    def __call__(self, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        """Compare in constant time, so that response times reveal nothing about the key.

        Raises:
            KeyRefusedProblem: The key is missing or wrong.
        """
        if credentials is None or not secrets.compare_digest(credentials.credentials.encode(), self._key):
            raise KeyRefusedProblem
