"""Sending JSON over HTTP, with an answer that says whether it was accepted."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from notify.errors import RefusedError, TemporarilyRefusedError

_TIMEOUT_S = 10.0
_LONGEST_S = 20.0
_LONGEST_ANSWER = 64 * 1024
_TRY_AGAIN = frozenset({408, 425, 429})


def post_json(url: str, content: object, query: Mapping[str, str] | None = None) -> bytes:
    """Send it; the body of an answer that says yes.

    Raises:
        TemporarilyRefusedError: nobody answers within 20 seconds, or the answer is 408, 425, 429 or 5xx.
        RefusedError: any other answer, or the address is none.
    """
    until = time.monotonic() + _LONGEST_S
    try:
        with httpx.stream("POST", url, json=content, params=_together(url, query), timeout=_TIMEOUT_S) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _LONGEST_ANSWER or time.monotonic() > until:
                    break
    except httpx.InvalidURL:
        raise RefusedError("the address can't be used") from None
    except httpx.HTTPError as error:
        # Its own text may quote the address.
        raise TemporarilyRefusedError(_in_words(error)) from None
    if answer.is_success:
        return body
    if answer.status_code in _TRY_AGAIN or answer.is_server_error:
        wait_s = retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC))
        raise TemporarilyRefusedError(f"HTTP {answer.status_code}", wait_s)
    raise RefusedError(f"HTTP {answer.status_code}")


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """How long a receiver wants to be left alone, given in seconds or as a date; None where it says nothing clear."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _together(url: str, query: Mapping[str, str] | None) -> Any:  # noqa: ANN401
    return httpx.URL(url).params.merge(query) if query else None


def _in_words(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "can't connect"
        case httpx.TimeoutException():
            return f"no answer within {_TIMEOUT_S:.0f} s"
        case _:
            return f"the connection broke ({type(error).__name__})"
