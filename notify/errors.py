"""Errors of delivery. Their texts never quote the address of a channel, which is secret."""

from devices.text import visible


class NotifyError(Exception):
    """Root of all errors of delivery. A reason may quote the receiver, so it is shown in visible characters."""

    def __init__(self, reason: str) -> None:
        super().__init__(visible(reason))


class TemporarilyRefusedError(NotifyError):
    """No answer, or an answer that allows a retry; `retry_after_s` is the delay the receiver asked for, or None."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason)


class RefusedError(NotifyError):
    """Permanent refusal: the address, the key or the content is wrong."""
