"""Interruption of a start by SIGTERM or SIGINT, at any moment but that of a child's birth."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StartInterruptedError(BaseException):
    """SIGTERM or SIGINT came during a start; no `except Exception` may keep it from ending the start."""


class _Signals:
    """State of this process: whether signals are held back, and whether one came meanwhile."""

    held = False
    came = False


@contextmanager
def interrupted_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` and leave the block at the first SIGTERM or SIGINT, whatever it waits for. Main thread only.

    A second signal changes nothing, so that the clean-up is not interrupted as well.

    Raises:
        StartInterruptedError: a signal came.
    """

    def interrupt(*_: object) -> None:
        if stop.is_set():
            return
        if _Signals.held:
            _Signals.came = True
            return
        stop.set()
        raise StartInterruptedError

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if stop.is_set():  # it came before the block
            raise StartInterruptedError
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold an interruption back until the block ends: it would lose a child that has just started.

    Raises:
        StartInterruptedError: a signal came during the block.
    """
    _Signals.held = True
    try:
        yield
    finally:
        _Signals.held = False
    if _Signals.came:
        _Signals.came = False
        signal.raise_signal(signal.SIGTERM)
