"""Delivery through apprise: e-mail and every other service that it supports."""

import logging
import re
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

import apprise

from notify.errors import TemporarilyRefusedError

_log = logging.getLogger("apprise")
# Its records may quote addresses, which are secret.
_log.addHandler(logging.NullHandler())
_log.propagate = False


class _ThreadLog(logging.Handler):
    """Handler that collects the warnings apprise logs in the current thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())


def count_receivers(url: str) -> int:
    """Return the number of receivers in an address, or 0 if apprise does not understand it."""
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    return 0 if service is None else max(1, len(service))


def send_by_apprise(url: str, title: str, body: str) -> None:
    """Send a text through the service of the address.

    Raises:
        TemporarilyRefusedError: The text was not accepted. apprise does not tell temporary from permanent failures.
    """
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    thread_log = _ThreadLog()
    _log.addHandler(thread_log)
    try:
        accepted = service is not None and service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
    finally:
        _log.removeHandler(thread_log)
    if not accepted:
        raise TemporarilyRefusedError(_mask_address("; ".join(thread_log.lines), url) or "apprise could not deliver it")


def _mask_address(text: str, url: str) -> str:
    """Replace every part of the address in a log text by stars: receivers and servers are secret."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query)]
    words = {word for text in (parts.netloc, parts.path, *values) for word in re.split(r"[\s/@:,;]+", unquote(text))}
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "***") if len(word) > 2 else text
    return text
