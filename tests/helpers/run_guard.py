"""Leave nothing behind: a process that ends what a test run started, however the run itself ends.

The controller of a run starts the guard and holds the only write end of its standard input. When the controller
ends in good order, by Ctrl-C, by a signal or by SIGKILL, the kernel closes that pipe. The guard then ends every
process of the run and removes the folder of the run, unless the controller asked to keep it.

A process belongs to the run when its environment names the folder, or when it works in the folder or has a file
below it open. Servers have an environment of their own, but their logs, locks and data lie in the folder.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "PYTEST_RUN_FOLDER"
"""Environment variable that holds the folder of the run; every process of the run inherits it."""
_GRACE_S = 3.0
_TERMINATION_S = 15.0
_KEEP = b"keep"


class RunGuard:
    """The guard of this run, as its controller sees it."""

    def __init__(self, folder: Path) -> None:
        os.environ[VARIABLE] = str(folder)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(folder), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal reaches the whole foreground group, and not the guard
        )

    def close(self, *, keep_files: bool) -> list[str]:
        """End the run's processes and remove its folder; return the command lines of processes that had to be ended."""
        report, _ = self._process.communicate(_KEEP if keep_files else b"")
        return report.decode(errors="replace").splitlines()


def processes_of(folder: Path) -> list[int]:
    """Return the ids of processes that carry the folder's run in their environment, or work or write below it."""
    mark = f"{VARIABLE}={folder}".encode()
    return [
        int(process.name)
        for process in _processes()
        if int(process.name) != os.getpid() and (_carries(process, mark) or works_in(process, folder))
    ]


def works_in(process: Path, folder: Path) -> bool:
    """Return whether the working directory or an open file of a process (as `/proc/1`) lies in the folder."""
    try:
        places = [(process / "cwd").readlink(), *(each.readlink() for each in (process / "fd").iterdir())]
    except OSError:
        return False
    return any(place.is_relative_to(folder) for place in places)


def _carries(process: Path, mark: bytes) -> bool:
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    # A run within a test of this run has a folder below this one.
    return any(variable == mark or variable.startswith(mark + b"/") for variable in variables)


def _processes() -> Iterator[Path]:
    proc = Path("/proc")
    return (each for each in proc.iterdir() if each.name.isdigit()) if proc.is_dir() else iter(())


def _guard(folder: Path, controller: int) -> None:
    """Wait for the end of the controller, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep = sys.stdin.buffer.read() == _KEEP
    _end_processes(folder, controller)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _end_processes(folder: Path, controller: int) -> None:
    """Let processes end on their own for a moment, then ask them to, then kill them."""

    def left() -> list[int]:
        # A controller that closes the guard waits for it; every other one has ended.
        return [pid for pid in processes_of(folder) if pid != controller]

    _wait(lambda: not left(), _GRACE_S)
    remaining = left()
    for pid in remaining:
        _report(pid)
        _signal(pid, signal.SIGTERM)
    if _wait(lambda: not left(), _TERMINATION_S if remaining else 0):
        return
    for _ in range(50):  # a process may start another while it is being killed
        for pid in left():
            _signal(pid, signal.SIGKILL)
        if _wait(lambda: not left(), 0.2):
            return


def _wait(condition, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _report(pid: int) -> None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        sys.stdout.buffer.write(words[:200].strip() + b"\n")
        sys.stdout.flush()
    except OSError:  # it has ended meanwhile, or nobody reads the report any more
        return


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # it has ended meanwhile
        return


if __name__ == "__main__":
    _guard(Path(sys.argv[1]), int(sys.argv[2]))
