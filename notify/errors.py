"""What can go wrong when people are told. A message never quotes the address of a channel: it is secret."""


class NotifyError(Exception):
    """The root of all of it."""


class TemporarilyRefusedError(NotifyError):
    """Nobody answered, or the answer was to try again; `retry_after_s` is how long to wait, if that was said."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason)


class RefusedError(NotifyError):
    """The receiver will never accept it: the address, the key or the content is wrong."""
