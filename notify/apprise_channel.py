"""Channels that apprise speaks to: e-mail, and whatever else it knows."""

import logging
import re
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

import apprise

from notify.errors import TemporarilyRefusedError

_log = logging.getLogger("apprise")
# What it says may quote addresses, which are secret.
_log.addHandler(logging.NullHandler())
_log.propagate = False


class _ThreadLog(logging.Handler):
    """Keeps what apprise says about the sending of one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())


def count_receivers(url: str) -> int:
    """How many receivers the address names; 0 where apprise does not understand it."""
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    return 0 if service is None else max(1, len(service))


def send_by_apprise(url: str, title: str, body: str) -> None:
    """Send a text through whatever service the address names.

    Raises:
        TemporarilyRefusedError: it was not accepted. apprise does not say whether it ever could be.
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
    """What apprise says, with stars for every part of the address: it names receivers and servers."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query)]
    words = {word for text in (parts.netloc, parts.path, *values) for word in re.split(r"[\s/@:,;]+", unquote(text))}
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "***") if len(word) > 2 else text
    return text
