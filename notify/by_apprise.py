"""Channels that apprise speaks to: e-mail, and whatever else it knows."""

import logging
import threading

import apprise

from notify.errors import TemporarilyRefusedError

_log = logging.getLogger("apprise")
# What it says may quote addresses, which are secret.
_log.addHandler(logging.NullHandler())
_log.propagate = False


class _Heard(logging.Handler):
    """Keeps what apprise says about the sending of one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())


def is_understood(url: str) -> bool:
    """Whether apprise knows what to do with this address."""
    return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None


def send_by_apprise(url: str, title: str, body: str) -> None:
    """Send a text through whatever service the address names.

    Raises:
        TemporarilyRefusedError: it was not accepted. apprise does not say whether it ever could be.
    """
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    heard = _Heard()
    _log.addHandler(heard)
    try:
        accepted = service is not None and service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
    finally:
        _log.removeHandler(heard)
    if not accepted:
        raise TemporarilyRefusedError("; ".join(heard.said) or "apprise could not deliver it")
