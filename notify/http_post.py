"""JSON over HTTP POST, with failures sorted into temporary and permanent."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from notify.errors import RefusedError, TemporarilyRefusedError

_TIMEOUT_S = 10.0
_MAX_DURATION_S = 20.0
_MAX_RESPONSE_BYTES = 64 * 1024
_TEMPORARY_STATUSES = frozenset({408, 425, 429})


def post_json(url: str, content: object, query: Mapping[str, str] | None = None) -> bytes:
    """Post `content` as JSON and return the body of a successful response; reading stops after 64 KiB or 20 seconds.

    Raises:
        TemporarilyRefusedError: No connection, no response in time, or the status is 408, 425, 429 or 5xx.
        RefusedError: Any other status, or an unusable address.
    """
    deadline = time.monotonic() + _MAX_DURATION_S
    try:
        with httpx.stream("POST", url, json=content, params=_merge_query(url, query), timeout=_TIMEOUT_S) as response:
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_RESPONSE_BYTES or time.monotonic() > deadline:
                    break
    except httpx.InvalidURL:
        raise RefusedError("the address can't be used") from None
    except httpx.HTTPError as error:
        # The text of the library may quote the address.
        raise TemporarilyRefusedError(_describe_error(error)) from None
    if response.is_success:
        return body
    if response.status_code in _TEMPORARY_STATUSES or response.is_server_error:
        wait_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC))
        raise TemporarilyRefusedError(f"HTTP {response.status_code}", wait_s)
    raise RefusedError(f"HTTP {response.status_code}")


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Parse a `Retry-After` header (RFC 9110, 10.2.3), seconds or a date; None if it is missing or unclear."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _merge_query(url: str, query: Mapping[str, str] | None) -> Any:  # noqa: ANN401
    return httpx.URL(url).params.merge(query) if query else None


def _describe_error(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "can't connect"
        case httpx.TimeoutException():
            return f"no answer within {_TIMEOUT_S:.0f} s"
        case _:
            return f"the connection broke ({type(error).__name__})"
