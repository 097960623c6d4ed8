"""One part of Anju as a child process: start, readiness, stop, kill, and clean-up after a killed predecessor."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.errors import LocalError
from local.home import Home
from local.interrupts import signals_held
from local.locks import holders, open_lock, try_lock
from local.users import User

POLL_S = 0.05
FULL_BYTES = 16 * 2**20  # one segment of PostgreSQL's log
LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Program to keep running.

    Attributes:
        name: the name of its log and pid file.
        argv: the command.
        check_ready: returns if the part can work, and raises LocalError with the reason otherwise.
        cwd: its working directory; this process's own when None.
        env: its whole environment; this process's own when None.
        user: the account to run it as; this process's own user when None.
        stop_signal: the signal for an orderly end, also sent when this process dies.
        stale_file: a file of a killed run that blocks the next one; removed when no process of the part is alive.
        refresh: brings its files up to date while it runs, and returns whether it has to read them again (SIGHUP).
    """

    name: str
    argv: tuple[str, ...]
    check_ready: Callable[[], None]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    user: User | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stale_file: Path | None = None
    refresh: Callable[[], bool] | None = None


class Process:
    """Part as a child process in a process group of its own.

    The pid file is also the lock. Part and descendants inherit it locked, so that the kernel knows whether any of them
    is alive. A stale number in the file is therefore never mistaken for a process. Start the part from a thread that
    lives as long as the part: Linux ties the life of the child to that thread.
    """

    def __init__(self, part: Part, home: Home) -> None:
        self.part = part
        self.log_file = home.log_file(part.name)
        self._pid_file = home.pid_file(part.name)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 60) -> None:
        """Start the part and return when it is ready.

        Raises:
            LocalError: it ended, or was not ready in time; the message carries the end of its log.
        """
        self.spawn()
        self.wait_ready(timeout_s)

    def spawn(self) -> None:
        """Start the part without waiting, after ending leftovers of an earlier one."""
        part = self.part
        end_leftovers(self._pid_file, part.stop_signal)
        lock = open_lock(self._pid_file)
        try:
            if not try_lock(lock):
                raise LocalError(f"Another process has just started {part.name} in the same data directory.")
            if part.stale_file:
                part.stale_file.unlink(missing_ok=True)
            identity = (str(part.user.uid), str(part.user.gid)) if part.user else ("-", "-")
            launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(part.stop_signal))]
            with _private_log(self.log_file) as log, signals_held():
                self._child = subprocess.Popen(  # noqa: S603 - the argv is a list and ours
                    [*launcher, *identity, *part.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=part.cwd,
                    env=part.env,
                    pass_fds=[lock],
                    process_group=0,
                )
                os.ftruncate(lock, 0)
                os.write(lock, f"{self._child.pid}\n".encode())
        finally:
            os.close(lock)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the part is ready; raise LocalError if it ends or `timeout_s` seconds pass first."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.part.check_ready()
            except LocalError as error:
                reason = error
            else:
                return
            if not self.alive():
                how = f"{self.how_it_ended()} instead of starting{self.full_disk()}"
                raise LocalError(f"{self.part.name} {how}. {self._log_end()}")
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{self.part.name} was not ready within {timeout_s:g} s: {reason} {self._log_end()}"
                ) from reason
            time.sleep(POLL_S)

    def alive(self) -> bool:
        """Return whether the process of the part runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the last start."""
        return self._started().pid

    def ask_to_end(self) -> None:
        """Send the signal for an orderly end, if the part runs, and do not wait."""
        if self._child is not None and self.alive():
            self._child.send_signal(self.part.stop_signal)

    def reload(self) -> None:
        """Let the part, if it runs, read its files again."""
        if self._child is not None and self.alive():
            self._child.send_signal(signal.SIGHUP)

    def stop(self, timeout_s: float = 20) -> None:
        """Ask the part to end, kill it after `timeout_s` seconds, and return when none of its processes is left."""
        if self._child is None:
            return
        if self.alive():
            self.ask_to_end()
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        end_leftovers(self._pid_file, self.part.stop_signal)
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the part's process group with SIGKILL, as a crash would."""
        child = self._started()
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def how_it_ended(self) -> str:
        """Return the end in words: "was ended by SIGKILL", "ended with status 1"."""
        status = self._started().returncode
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise LocalError(f"{self.part.name} has not been started.")
        return self._child

    def full_disk(self) -> str:
        """Return the words for a full disk of the part or of its log, the likely reason of a death; else nothing."""
        folders = [folder for folder in (self.part.cwd, self.log_file.parent) if folder]
        full = [folder for folder in folders if shutil.disk_usage(folder).free < FULL_BYTES]
        return f", because the disk of {full[0]} is full: make room there" if full else ""

    def _log_end(self, lines: int = 8) -> str:
        tail = self.log_file.read_text(errors="replace").splitlines()[-lines:] if self.log_file.exists() else []
        return "\n".join([f"The end of {self.log_file}:", *(f"    {line}" for line in tail)])


def _private_log(path: Path) -> IO[bytes]:
    """Open a log for appending, readable by this user only; a log is truncated while it is open."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def start_together(processes: Sequence[Process], timeout_s: float = 60) -> None:
    """Start parts that depend on each other, and return when all are ready.

    Raises:
        LocalError: one ended, or was not ready within `timeout_s` seconds.
    """
    for process in processes:
        process.spawn()
    for process in processes:
        process.wait_ready(timeout_s)


def end_leftovers(pid_file: Path, stop_signal: signal.Signals) -> None:
    """End the processes that still hold the pid file: a part without its supervisor, or orphans of a killed part.

    The part itself receives `stop_signal` and has 5 s. Its orphans end on their own if they can within 1 s. SIGKILL
    ends the rest: while one backend of a killed PostgreSQL holds the shared memory, no new server starts.

    Raises:
        LocalError: some of them do not end, or belong to another user.
    """
    if not pid_file.exists() or _released(pid_file, 0):
        return
    leader = pid_file.read_text().strip()
    survivors = [pid for pid in holders(pid_file) if str(pid) == leader]
    for pid in survivors:
        _signal(pid, stop_signal)
    if _released(pid_file, 5 if survivors else 1):
        return
    for pid in holders(pid_file):
        _signal(pid, signal.SIGKILL)
    if not _released(pid_file, 5):
        raise LocalError(
            f"Processes of an earlier run still hold {pid_file} and cannot be ended "
            f"({holders(pid_file) or 'not visible to this user'}). End them, or choose another data directory."
        )


def _released(pid_file: Path, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    descriptor = open_lock(pid_file)
    try:
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
    finally:
        os.close(descriptor)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise LocalError(f"Process {pid} of an earlier run belongs to another user; end it first.") from error
